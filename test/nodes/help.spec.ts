import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { endpointErrors } from '../../lib/endpoint/index.ts';
import { formatErrors, GUARDS, identityErrors, nvsErrors, planErrors, sessionErrors } from '../../lib/esp/index.ts';
import { linkErrors } from '../../lib/link/index.ts';
import { osdpErrors, profileErrors } from '../../lib/osdp/index.ts';
import { exportErrors, provisionerErrors, provisionerLinkErrors } from '../../lib/osdp/node.ts';
import { pkiErrors } from '../../lib/pki/index.ts';
import { crlErrors, estErrors, trustErrors } from '../../lib/pki/node.ts';
import { recordErrors } from '../../lib/record/index.ts';
import { registryErrors } from '../../lib/registry/index.ts';
import { vaultErrors } from '../../lib/vault/index.ts';
import { virtualErrors } from '../../lib/virtual/index.ts';
import { nodeErrors } from '../../nodes/shared/errors.ts';
import { identityNodeErrors } from '../../nodes/shared/identity-errors.ts';
import { osdpNodeErrors } from '../../nodes/shared/osdp-errors.ts';
import { provisionerNodeErrors } from '../../nodes/shared/provisioner-errors.ts';
import { trustNodeErrors } from '../../nodes/shared/trust-errors.ts';

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
  'NVS_NO_HMAC_KEY',
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

const ofKeys = ['BAD_OSDP_KEY', 'FORBIDDEN_KEY', 'SECRET_MISSING', ...ofHandles];
/** The bus or its port cannot be had. */
const onBus = [
  'BUS_NOT_SET',
  'BUSY',
  'PORT_NOT_SET',
  ...but(linkErrors, 'DEVICE_NOT_BACK', 'CANCELLED'),
  'BAD_OSDP_ADDRESS',
  'BAD_OSDP_BAUD',
  'PANEL_CLOSED',
];
/** Met only by who sets addresses, rates and keys, searches, or reads captures. */
const notAsked = /^(COMSET|KEYSET|BUS)_|^(BAD_OSDPCAP|READER_EXISTS)$/;

const ofKeystore = Object.keys(vaultErrors).filter(
  (code) => code.startsWith('KEYSTORE_') && code !== 'KEYSTORE_CLOSED',
);
/** The provisioner cannot be had: its process, its link, its key. */
const toProvisioner = [
  'PROVISIONER_NOT_SET',
  'PORT_NOT_SET',
  'PORT_NOT_SUITABLE',
  'PORT_BUSY',
  'BAD_ADDRESS',
  'LISTEN_FAILED',
  'SECRET_MISSING',
  ...ofKeystore,
  ...Object.keys(provisionerLinkErrors).filter(
    (code) => !/^(PAIRING_.*|PROVISIONER_FAILED|PROVISIONER_NOT_RUNNING|LINK_LISTEN_FAILED)$/.test(code),
  ),
];
/** What it refuses, or fails at. */
const atProvisioner = [
  ...toProvisioner,
  ...['PROVISIONER_FAILED', 'PROVISIONER_CLOSED', 'STORE_FULL', 'STORE_READ_ONLY', 'STORE_IO'],
  ...['SLOT_OUT_OF_RANGE', 'SLOT_EMPTY', 'SLOT_STATE', 'MODE_UNSUPPORTED'],
];

/** Why an endpoint does not listen. */
const noListener = ['AUTHORITY_NOT_SET', 'SERVICE_CLOSED', 'BAD_FIELD', 'BAD_NAME', 'CLOCK_BEHIND', 'ISSUER_EXPIRED'];
/** Of the endpoint, those that are told of a device rather than of the service. */
const ofDevices = Object.keys(endpointErrors).filter((code) =>
  /^(HANDSHAKE|CONNECT|PROTOCOL|TOO_MANY|CLIENT|AUTH_|MALFORMED|TOPIC_|RETAIN|KEEP|NOT_READING|JUDGE|PACKET)/.test(
    code,
  ),
);
const ofMessages = Object.keys(endpointErrors).filter((code) =>
  /^(BAD_TOPIC|BAD_MESSAGE|QUEUE|MESSAGE|DEVICE_O|NOT_SUB|PACKET)/.test(code),
);
const ofLists = but(crlErrors, 'CRL_NO_ROOT_LIST', 'BAD_CRL');
/** What an EST service refuses a request for. */
const ofRequests = Object.keys(estErrors).filter((code) =>
  /REQUEST|MEDIA|LARGE|FOUND|METHOD|UNAUTH|SUBJECT|REKEY|MANY|HANDSHAKE/.test(code),
);

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
    'IDENTITY_ELSEWHERE',
    'AUTHORITY_NOT_SET',
    'DEVICE_STATE',
    'DEVICE_HAS_LIVE',
    'CERTIFICATE_STATE',
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
  'keyway-osdp-bus': ['BAD_FIELD', 'PORT_NOT_SET', 'BAD_OSDP_ADDRESS', 'BAD_OSDP_BAUD', ...ofKeys],
  'keyway-osdp-discover': [
    ...everywhere,
    ...onBus,
    ...ofKeys,
    'NO_REPLY',
    'GARBAGE_ONLY',
    'BUS_HAS_PANEL',
    'BUS_NOISY',
  ],
  'keyway-osdp-events': [...onBus, 'BAD_FIELD', 'INTERNAL'],
  'keyway-osdp-command': [
    ...everywhere,
    ...onBus,
    ...ofKeys,
    ...Object.keys(osdpErrors).filter((code) => !notAsked.test(code)),
  ],
  'keyway-provisioner': [...toProvisioner, 'PAIRING_CLOSED', 'PAIRING_WRONG_CODE', 'PAIRING_FAILED', 'BAD_FIELD'],
  'keyway-provisioning-plan': [...everywhere, ...Object.keys(profileErrors)],
  'keyway-slots': [
    ...everywhere,
    ...atProvisioner,
    ...Object.keys(profileErrors),
    ...['SLOT_OCCUPIED', 'SESSION_MISMATCH', 'BAD_PLAN', 'NO_PROVISIONING_PLAN', 'NO_FREE_SLOT'],
  ],
  'keyway-step': [...everywhere, ...atProvisioner, 'BUSY', 'STEP_OUT_OF_RANGE', 'VERB_NOT_LEGAL', 'SLOT_DELETED'],
  'keyway-quick-step': [
    ...everywhere,
    ...atProvisioner,
    ...['BUSY', 'BAD_PROFILE_FIELD', 'SLOT_OCCUPIED', 'BAD_PLAN', 'SLOT_DELETED'],
  ],
  'keyway-progress': [...toProvisioner, 'BAD_FIELD', 'INTERNAL'],
  'keyway-export': [
    ...everywhere,
    ...atProvisioner,
    ...Object.keys(exportErrors),
    ...['EXPORT_NOT_ALLOWED', 'SLOT_NOT_COMPLETE', 'SESSION_MISMATCH', 'NOT_YOUR_SLOT'],
  ],
  'keyway-readers-bench': [...everywhere, 'NO_VIRTUAL_READER'],
  'keyway-virtual-readers': [
    'BAD_FIELD',
    'BAD_READER_OPTION',
    'BAD_OSDP_ADDRESS',
    'BAD_OSDP_BAUD',
    'BAD_OSDP_KEY',
    'FORBIDDEN_KEY',
    'SECRET_MISSING',
    'PORT_BUSY',
    'LISTEN_FAILED',
    'PTY_HELPER_MISSING',
    'PTY_FAILED',
  ],
  'keyway-console': onPorts,
  'keyway-flash-plan': [
    ...everywhere,
    'NO_IMAGES',
    'NO_IDENTITY',
    'BOOTSTRAP_IMAGE_MISSING',
    'BAD_IDENTITY',
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
  'keyway-bench': [...everywhere, 'NO_CHIP', 'PORT_NOT_SET', 'BAD_FAULT', 'BAD_MAC', 'BAD_CHIP_OPTION', ...ofHandles],
  'keyway-secret': [...everywhere, 'REVEAL_OFF', ...ofVault],
  'keyway-registry': [
    ...Object.keys(vaultErrors).filter((code) => code.startsWith('KEYSTORE_') && code !== 'KEYSTORE_CLOSED'),
    ...Object.keys(registryErrors).filter((code) => code.startsWith('REGISTRY_')),
    'SQLITE_MISSING',
    ...['REGISTRY_NOT_SET', 'REGISTRY_WORKING', 'BAD_BACKUP', 'BACKUP_FOLDER', 'NOT_CONFIRMED', 'LOOPBACK_ONLY'],
    'BAD_FIELD',
  ],
  'keyway-authority': [
    'REGISTRY_NOT_SET',
    'AUTHORITY_NOT_SET',
    'ROOT_PASSPHRASE',
    'LOOPBACK_ONLY',
    'BAD_PASSPHRASE',
    'ROOT_OUT',
    ...['AUTHORITY_MISSING', 'BAD_IMPORT', 'FILE_UNREADABLE', 'KEYSTORE_FILE'],
    'ISSUER_EXPIRED',
    'CLOCK_BEHIND',
    'BAD_NAMESPACE',
    'BAD_SETTINGS',
    'BAD_NAME',
    'AUTHORITY_CLOSED',
    'BAD_FIELD',
  ],
  'keyway-mint': [
    ...everywhere,
    'AUTHORITY_NOT_SET',
    'DEVICE_RETIRED',
    ...Object.keys(pkiErrors).filter((code) => code.startsWith('CSR_')),
    'BAD_CSR',
    'BAD_PEM',
    'BAD_MAC',
    'BAD_NAME',
    'BAD_NAMESPACE',
    'NAMESPACE_UNKNOWN',
    'DEVICE_HAS_LIVE',
    'KEY_IN_USE',
    'DEVICE_UNKNOWN',
    'DEVICE_EXISTS',
    'DEVICE_STATE',
    'BAD_DEVICE',
    'CLOCK_BEHIND',
    'ISSUER_EXPIRED',
    'CERTIFICATE_UNKNOWN',
    'CERTIFICATE_STATE',
    'AUTHORITY_MISSING',
    'WORKER_LOST',
  ],
  'keyway-device': [
    ...everywhere,
    'REGISTRY_NOT_SET',
    'BAD_MAC',
    'BAD_NAMESPACE',
    'NAMESPACE_UNKNOWN',
    'BAD_DEVICE',
    'DEVICE_EXISTS',
    'DEVICE_UNKNOWN',
    'DEVICE_STATE',
    'PROFILE_UNKNOWN',
    'BAD_PAGE',
    'BAD_IMPORT',
    'IMPORT_REFUSED',
  ],
  'keyway-device-events': ['REGISTRY_NOT_SET'],
  'keyway-certificate': [
    ...everywhere,
    'REGISTRY_NOT_SET',
    'BAD_MAC',
    'BAD_NAMESPACE',
    'BAD_PAGE',
    'BAD_PEM',
    'BAD_CERTIFICATE',
  ],
  'keyway-endpoint': [
    ...noListener,
    ...[
      'ENDPOINT_NOT_SET',
      'AUTHORITY_MISSING',
      'BAD_SETTINGS',
      'BAD_TLS',
      'PORT_IN_USE',
      'PORT_DENIED',
      'LISTEN_FAILED',
    ],
    ...['JUDGE_FAILED', 'AUDIT_FAILED', 'PRESENCE_FAILED'],
  ],
  'keyway-endpoint-in': ['ENDPOINT_NOT_SET', ...but(trustErrors, 'CERT_OTHER_NAMESPACE'), ...ofDevices, 'BAD_TOPIC'],
  'keyway-endpoint-out': [
    ...everywhere,
    ...['ENDPOINT_NOT_SET', 'SERVICE_CLOSED', 'BAD_NAMESPACE', 'BAD_MAC'],
    ...ofMessages,
  ],
  'keyway-est': [...noListener, 'EST_NOT_SET', 'AUTHORITY_MISSING', 'EST_LISTEN', 'EST_BAD_OPTIONS'],
  'keyway-est-events': ['EST_NOT_SET', 'EST_LISTEN', ...ofRequests],
  'keyway-revoke': [
    ...everywhere,
    ...['AUTHORITY_NOT_SET', 'ENDPOINT_NOT_SET', 'LOOPBACK_ONLY', 'BAD_NAMESPACE', 'BAD_MAC', 'DEVICE_UNKNOWN'],
    ...ofLists,
    ...[
      'MOSQUITTO_NOT_SET',
      'MOSQUITTO_NOT_THERE',
      'MOSQUITTO_REFUSED',
      'BAD_SETTINGS',
      'CLOCK_BEHIND',
      'SERVICE_CLOSED',
    ],
  ],
  'keyway-crl': [
    ...everywhere,
    ...['AUTHORITY_NOT_SET', 'BAD_NAMESPACE', 'CLOCK_BEHIND', 'SERVICE_CLOSED', 'CRL_NO_ROOT_LIST'],
    ...['BAD_PASSPHRASE', 'ROOT_OUT', 'AUTHORITY_MISSING'],
    ...ofLists,
  ],
  'keyway-renew': [
    ...everywhere,
    ...['NO_IDENTITY', 'IDENTITY_FILE', 'BAD_PEM', 'BAD_CERTIFICATE', 'BAD_SECRET'],
    ...but(estErrors, ...ofRequests, 'EST_LISTEN'),
    ...ofHandles,
  ],
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
  crlErrors,
  endpointErrors,
  estErrors,
  trustErrors,
  trustNodeErrors,
  exportErrors,
  formatErrors,
  identityErrors,
  identityNodeErrors,
  linkErrors,
  nodeErrors,
  nvsErrors,
  osdpErrors,
  osdpNodeErrors,
  pkiErrors,
  planErrors,
  profileErrors,
  provisionerErrors,
  provisionerLinkErrors,
  provisionerNodeErrors,
  recordErrors,
  registryErrors,
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
