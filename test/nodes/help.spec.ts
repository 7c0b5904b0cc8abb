import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { formatErrors, GUARDS, planErrors, sessionErrors } from '../../lib/esp/index.ts';
import { linkErrors } from '../../lib/link/index.ts';
import { vaultErrors } from '../../lib/vault/index.ts';
import { virtualErrors } from '../../lib/virtual/index.ts';
import { nodeErrors } from '../../nodes/shared/errors.ts';

const everywhere = ['CANCELLED', 'TIMEOUT', 'BAD_FIELD', 'BAD_EXPRESSION', 'INTERNAL'];
const onPorts = [...everywhere, 'PORT_NOT_SET', 'PORT_NOT_ALLOWED', 'BUSY', ...Object.keys(linkErrors)];
const inSession = Object.keys(sessionErrors).filter((code) => code !== 'SESSION_BUSY');
/** Met only when a plan meets a chip. */
const atChip = ['SECURE_BOOT', 'FLASH_ENCRYPTION', 'SECURE_DOWNLOAD', 'DEMO_IMAGE', 'PLAN_WITHOUT_BYTES'];
const ofInputs = Object.keys(formatErrors).filter((code) => !['BAD_OTADATA', 'COMPRESS_FAILED'].includes(code));

/** The codes that each node can end with. */
const codes: Record<string, string[]> = {
  'keyway-flash': [
    ...onPorts,
    ...inSession,
    ...GUARDS,
    'BAD_FORCE',
    'NO_PLAN',
    'PLAN_WITHOUT_BYTES',
    'EMPTY_PLAN',
    'BAD_OFFSET',
    'BAD_SIZE',
    'WRONG_BOARD',
    'COMPRESS_FAILED',
  ],
  'keyway-chip': [...onPorts, ...inSession, 'NO_RANGE'],
  'keyway-console': onPorts,
  'keyway-flash-plan': [
    ...everywhere,
    'NO_IMAGES',
    ...ofInputs,
    ...Object.keys(planErrors).filter((code) => !atChip.includes(code)),
  ],
  'keyway-image': [...everywhere, 'FILE_UNREADABLE', 'BAD_BUILD', 'UNKNOWN_CHIP'],
  'keyway-ports': everywhere,
  'keyway-bench': [...everywhere, 'NO_CHIP', 'PORT_NOT_SET', 'BAD_FAULT', 'BAD_MAC'],
  'keyway-secret': [...everywhere, 'REVEAL_OFF', ...Object.keys(vaultErrors)],
  'keyway-port': [...Object.keys(linkErrors).filter((code) => code !== 'CANCELLED'), 'PORT_NOT_SET', 'BAD_FIELD'],
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
const known = new Set(
  [formatErrors, linkErrors, nodeErrors, planErrors, sessionErrors, vaultErrors, virtualErrors].flatMap((table) =>
    Object.keys(table),
  ),
);

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
