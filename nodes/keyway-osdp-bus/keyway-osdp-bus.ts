import { checkAddress, checkBaudRate } from '../../lib/osdp/index.ts';
import { choosePort } from '../shared/deployed.ts';
import { fail } from '../shared/errors.ts';
import { adminRoute } from '../shared/http.ts';
import { migrate } from '../shared/migrate.ts';
import { deployBus, OsdpBus } from '../shared/osdp-bus.ts';
import type { KnownReader } from '../shared/osdp-keys.ts';
import type { Message, Red, RedNode } from '../shared/types.ts';
import { type BusConfig, defaults, modes, type ReaderRow, securities } from './config.ts';
import { tryOut } from './try-out.ts';

export default function register(RED: Red): void {
  function BusNode(this: RedNode, saved: BusConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate<BusConfig | typeof defaults>(saved, defaults) as BusConfig;
    const name = config.name || 'OSDP bus';
    const number = (field: 'pollMs' | 'offline', least: number, most: number): number => {
      const value = Number(String(config[field]).trim() || defaults[field]);
      if (value >= least && value <= most) return value;
      throw fail(
        'BAD_FIELD',
        `The field "${field}" of the bus "${name}" must be between ${least} and ${most}; it is "${config[field]}".`,
        { hint: 'Open the bus and correct it.', detail: { field, value: config[field] } },
      );
    };
    const bus = new OsdpBus({
      id: this.id,
      name,
      mode: modes.find((mode) => mode === config.mode) ?? 'multi',
      timing: () => ({ pollMs: number('pollMs', 0, 60_000), offlineMs: 1000 * number('offline', 1, 3600) }),
      target: () => choosePort(config.port, { _msgid: '' } as Message),
      baudRate: () => {
        const baudRate = Number(config.baudRate);
        checkBaudRate(baudRate);
        return baudRate;
      },
      readers: () => {
        const readers = (Array.isArray(config.readers) ? config.readers : []).map((row, at) => readerOf(this, row, at));
        const twice = readers.find((one, at) => readers.findIndex(({ address }) => address === one.address) < at);
        if (twice === undefined) return readers;
        throw fail('BAD_FIELD', `The bus "${name}" names two readers at address ${twice.address}.`, {
          hint: 'Two readers at one address cannot be told apart: open the bus and correct its list.',
          detail: { field: 'readers', value: twice.address },
        });
      },
    });
    const undeploy = deployBus(bus);
    this.on('close', (_removed: boolean, closed: () => void) => {
      undeploy();
      bus
        .close()
        .catch((error: unknown) => this.warn(String(error)))
        .then(closed, closed);
    });
  }
  RED.nodes.registerType('keyway-osdp-bus', BusNode);

  adminRoute(RED, 'post', '/keyway/osdp/test', 'keyway.write', async ({ body }) => {
    const { bus } = (body ?? {}) as { bus?: unknown };
    return await tryOut(typeof bus === 'string' ? bus : '');
  });
}

/** @throws BAD_OSDP_ADDRESS */
function readerOf(node: RedNode, row: ReaderRow, at: number): KnownReader {
  const text = String(row.address).trim();
  const address = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  checkAddress(address, `readers[${at}].address`);
  const security = securities.find((known) => known === row.security) ?? 'clear';
  const place = String(row.key ?? '').trim();
  const key = security === 'handle' ? String(node.context().global.get(place) ?? '') : place;
  return { address, name: String(row.name ?? ''), security, key };
}
