import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { formatErrors, GUARDS, nvsErrors, planErrors, sessionErrors } from '../../lib/esp/index.ts';
import { linkErrors } from '../../lib/link/index.ts';
import { recordErrors } from '../../lib/record/index.ts';
import { vaultErrors } from '../../lib/vault/index.ts';
import { virtualErrors } from '../../lib/virtual/index.ts';
import { nodeErrors } from '../../nodes/shared/errors.ts';

/** The codes of a table but for some. */
const but = (table: object, ...left: string[]): string[] => Object.keys(table).filter((code) => !left.includes(code));

const everywhere = ['CANCELLED', 'TIMEOUT', 'BAD_FIELD', 'BAD_EXPRESSION', 'INTERNAL'];
const onPorts = [...everywhere, 'PORT_NOT_SET', 'PORT_NOT_ALLOWED', 'BUSY', ...but(linkErrors, 'DEVICE_NOT_BACK')];
/** Met only when a plan is carried out. */
const whileFlashing = ['NO_BYTES', 'NO_SECRETS', 'DEVICE_NOT_BACK', 'BOARD_UNKNOWN'];
/** Met only when a plan meets a chip. */
const atChip = [
  'SECURE_BOOT',
  'FLASH_ENCRYPTION',
  'FLASH_ENCRYPTION_RELEASE',
  'SECURE_DOWNLOAD',
  'DEMO_IMAGE',
  'WRONG_BOARD',
  'PLAN_WITHOUT_BYTES',
  'NVS_UNREADABLE',
];
/** Codes of the vault but for its keystore, which no node opens for a handle. */
const ofVault = Object.keys(vaultErrors).filter((code) => !code.startsWith('KEYSTORE_'));
const ofHandles = ofVault.filter((code) => !['BAD_SECRET', 'SECRET_MISSING', 'HANDLE_WRONG_KIND'].includes(code));
const ofEntries = [
  'BAD_NVS_CSV',
  'BAD_NVS_NAMESPACE',
  'BAD_NVS_KEY',
  'BAD_NVS_VALUE',
  'NVS_STRING_TOO_LONG',
  'NVS_BLOB_TOO_LARGE',
  'NVS_DUPLICATE_KEY',
];

/** The codes that each node can end with. */
const codes: Record<string, string[]> = {
  'keyway-flash': [
    ...onPorts,
    'NO_PLAN',
    'SECRET_IN_CLEAR',
    ...but(planErrors, 'EMPTY_REGION', 'NO_FACTORY', 'NO_SLOT'),
    ...GUARDS,
    ...but(nvsErrors, 'BAD_NVS_CSV'),
    ...ofHandles,
    ...but(sessionErrors, 'SESSION_BUSY', 'NO_SECRETS'),
    'BAD_PARTITION_TABLE',
    'COMPRESS_FAILED',
  ],
  'keyway-chip': [
    ...onPorts,
    'NO_RANGE',
    ...but(sessionErrors, 'SESSION_BUSY', ...whileFlashing),
    'TABLE_MISSING',
    'NO_SUCH_PARTITION',
    'BAD_NVS',
    'BAD_NVS_SIZE',
    'BAD_NVS_KEYS',
    'NVS_ENCRYPTED',
    'NVS_WRONG_KEYS',
    ...ofHandles,
  ],
  'keyway-console': onPorts,
  'keyway-flash-plan': [
    ...everywhere,
    'NO_IMAGES',
    ...but(planErrors, ...atChip),
    ...ofEntries,
    ...but(formatErrors, 'BAD_OTADATA', 'COMPRESS_FAILED'),
  ],
  'keyway-image': [
    ...everywhere,
    'FILE_UNREADABLE',
    'REVEAL_OFF',
    'BAD_BUILD',
    'UNKNOWN_CHIP',
    ...Object.keys(nvsErrors),
    ...ofHandles,
  ],
  'keyway-ports': [...everywhere, 'PORT_NOT_SET'],
  'keyway-bench': [...everywhere, 'NO_CHIP', 'PORT_NOT_SET', 'BAD_FAULT', 'BAD_MAC', 'BAD_CHIP_OPTION'],
  'keyway-secret': [...everywhere, 'REVEAL_OFF', ...ofVault],
  'keyway-record': [...everywhere, 'FILE_NOT_ALLOWED', ...Object.keys(recordErrors)],
  'keyway-port': [...but(linkErrors, 'CANCELLED', 'DEVICE_NOT_BACK'), 'PORT_NOT_SET', 'BAD_FIELD'],
  'keyway-port-pool': ['PORT_NOT_ALLOWED', 'BAD_FIELD'],
  'keyway-virtual-chip': [
    'BAD_MAC',
    'BAD_CHIP_MODEL',
    'BAD_CHIP_OPTION',
    'BAD_FIELD',
    'SOCKET_NAME_TAKEN',
    'LISTEN_FAILED',
    'PTY_HELPER_MISSING',
    'PTY_FAILED',
  ],
};
const tables = [
  formatErrors,
  linkErrors,
  nodeErrors,
  nvsErrors,
  planErrors,
  recordErrors,
  sessionErrors,
  vaultErrors,
  virtualErrors,
];
const known = new Set(tables.flatMap((table) => Object.keys(table)));

describe('the help', () => {
  for (const [type, wanted] of Object.entries(codes)) {
    it(`of ${type} names every code that can come, and none that is unknown`, () => {
      const help = readFileSync(new URL(`../../nodes/${type}/locales/en-US/${type}.md`, import.meta.url), 'utf8');
      const errors = help.slice(help.indexOf('### Errors'));
      const named = [...errors.matchAll(/^- `([A-Z0-9_]+)`/gm)].map(([, code]) => code ?? '');
      assert.deepEqual(
        [...new Set(wanted)].filter((code) => !named.includes(code)),
        [],
      );
      assert.deepEqual(
        named.filter((code) => !known.has(code)),
        [],
      );
    });
  }

  it('is held against the codes of every node', () => {
    const types = readdirSync(new URL('../../nodes', import.meta.url)).filter((name) => name.startsWith('keyway-'));
    assert.deepEqual(Object.keys(codes).sort(), types.sort());
  });

  it('has properties that the editor can lay out: no colon in what is said of them', () => {
    for (const type of Object.keys(codes)) {
      const help = readFileSync(new URL(`../../nodes/${type}/locales/en-US/${type}.md`, import.meta.url), 'utf8');
      for (const line of help.split('\n').filter((text) => text.startsWith(':'))) {
        assert.match(line, /^: [^:]+ \([^:]+\) : [^:]+$/, type);
      }
    }
  });

  it('names every code of the nodes somewhere', () => {
    const all = new Set(Object.values(codes).flat());
    assert.deepEqual(
      Object.keys(nodeErrors).filter((code) => !all.has(code)),
      [],
    );
  });
});
