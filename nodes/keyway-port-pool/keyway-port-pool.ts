import { codeOf } from '../../lib/errors/index.ts';
import { fail } from '../shared/errors.ts';
import { parseSize } from '../shared/evaluate.ts';
import { migrate } from '../shared/migrate.ts';
import { deployPool } from '../shared/pools.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { defaults, type PoolConfig } from './config.ts';
import { addressPattern, entriesOf, type Pattern, usbPattern, virtualPattern } from './patterns.ts';

/** The rate at which ESP-IDF prints unless it is told otherwise. */
const CONSOLE_BAUD = 115_200;
const MOST_AT_ONCE = 1000;

export default function register(RED: Red): void {
  function PoolNode(this: RedNode, saved: PoolConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as PoolConfig;
    const patterns: Pattern[] = config.virtual ? [virtualPattern] : [];
    // One entry that is wrong must not keep the others from naming their ports.
    const attempt = <T>(make: () => T, otherwise: T): T => {
      try {
        return make();
      } catch (error) {
        this.error(error instanceof Error ? `${codeOf(error)}: ${error.message}` : String(error));
        return otherwise;
      }
    };
    const none: Pattern = () => false;
    for (const entry of entriesOf(config.addresses)) patterns.push(attempt(() => addressPattern(entry), none));
    for (const entry of entriesOf(config.usb)) patterns.push(attempt(() => usbPattern(entry), none));
    const undeploy = deployPool({
      id: this.id,
      name: config.name || 'port pool',
      // A limit that cannot be read is the smallest one.
      atOnce: attempt(() => numberIn(config, 'atOnce', 0, MOST_AT_ONCE), 1),
      baudRate: attempt(() => numberIn(config, 'baudRate', CONSOLE_BAUD, 20_000_000), CONSOLE_BAUD),
      allows: (addresses, usb) => patterns.some((pattern) => pattern(addresses, usb)),
    });
    this.on('close', () => undeploy());
  }
  RED.nodes.registerType('keyway-port-pool', PoolNode);
}

/** A whole number from 1; `blank` where nothing is written. @throws BAD_FIELD */
function numberIn(config: PoolConfig, field: 'atOnce' | 'baudRate', blank: number, most: number): number {
  const text = String(config[field]).trim();
  if (text === '') return blank;
  const number = parseSize(text);
  if (Number.isInteger(number) && number >= 1 && number <= most) return number;
  throw fail('BAD_FIELD', `The field "${field}" must be a whole number from 1 to ${most}; it is "${text}".`, {
    hint: 'Open the port pool and correct it, or leave the field blank.',
    detail: { field, value: text },
  });
}
