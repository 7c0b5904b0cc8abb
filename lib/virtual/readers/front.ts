import { EventEmitter } from 'node:events';
import type { Capability, Command, DeviceId, LedControl, Reply } from '../../osdp/index.ts';
import type { Personality } from './personality.ts';

export interface VirtualReaderEvents {
  led: [LedControl];
  buzzer: [{ tone: number; onTime: number; offTime: number; count: number }];
  text: [string];
  output: [{ output: number; on: boolean }];
  /** It has a key of its own now. */
  keyed: [];
  /** Address or rate have changed. */
  moved: [{ address: number; baudRate: number }];
  session: [boolean];
}

const EMPTY = new Uint8Array();

/** The side of a virtual reader that people see: cards, keys, lamp, buzzer, housing, outputs. */
export class ReaderFront extends EventEmitter<VirtualReaderEvents> {
  readonly id: DeviceId;
  tampered = false;
  powerFailure = false;
  readonly outputs = new Uint8Array(2);
  readonly inputs = new Uint8Array(2);
  readonly #capabilities: readonly Capability[] | undefined;
  #events: Reply[] = [];

  constructor(options: { id: Partial<DeviceId>; capabilities?: readonly Capability[] }) {
    super();
    this.#capabilities = options.capabilities;
    this.id = {
      vendor: Uint8Array.of(0x4b, 0x57, 0x59),
      model: 1,
      version: 1,
      serial: 0,
      firmware: [1, 0, 0],
      ...options.id,
    };
  }

  /** Holds a card to it. @param card.bits length of the number in bits; `data` has them from the left. */
  present(card: { bits: number; data: Uint8Array; format?: number }): void {
    this.#events.push({ name: 'RAW', reader: 0, format: card.format ?? 1, bits: card.bits, data: card.data });
  }

  /** Presses keys, "*" and "#" included. */
  press(keys: string): void {
    const digits = Uint8Array.from(keys, (key) => (key === '*' ? 0x7f : key === '#' ? 0x0d : key.charCodeAt(0)));
    this.#events.push({ name: 'KEYPAD', reader: 0, digits });
  }

  /** Opens or closes its housing. */
  tamper(open: boolean): void {
    this.tampered = open;
    this.#events.push(this.status());
  }

  /** @internal Told at the next poll. */
  tell(event: Reply): void {
    this.#events.push(event);
  }

  /** @internal What waits to be told is lost with the power. */
  forget(): void {
    this.#events = [];
  }

  protected status(): Reply {
    return { name: 'LSTATR', tamper: this.tampered, powerFailure: this.powerFailure };
  }

  /** @internal What is done at a command that is no business of the channel, and its reply. */
  perform(command: Command, personality: Personality): Reply {
    switch (command.name) {
      case 'POLL':
        return this.#events.shift() ?? { name: 'ACK' };
      case 'ID':
        return { name: 'PDID', ...this.id };
      case 'CAP':
        return { name: 'PDCAP', capabilities: this.#capabilities ?? standardCapabilities(personality) };
      case 'LSTAT':
        return this.status();
      case 'ISTAT':
        return { name: 'ISTATR', inputs: this.inputs.slice() };
      case 'OSTAT':
        return { name: 'OSTATR', outputs: this.outputs.slice() };
      case 'RSTAT':
        return { name: 'RSTATR', readers: Uint8Array.of(this.tampered ? 2 : 0) };
      case 'OUT':
        for (const { output, control } of command.outputs) this.#output(output, control);
        return { name: 'OSTATR', outputs: this.outputs.slice() };
      case 'LED':
        for (const led of command.leds) this.emit('led', led);
        return { name: 'ACK' };
      case 'BUZ':
        this.emit('buzzer', command);
        return { name: 'ACK' };
      case 'TEXT':
        this.emit('text', command.text);
        return { name: 'ACK' };
      case 'ACURXSIZE':
      case 'KEEPACTIVE':
      case 'ABORT':
        return { name: 'ACK' };
      default:
        return { name: 'NAK', reason: 3, data: EMPTY };
    }
  }

  #output(output: number, control: number): void {
    if (output >= this.outputs.length || control === 0) return;
    this.outputs[output] = [2, 4, 5].includes(control) ? 1 : 0;
    this.emit('output', { output, on: this.outputs[output] === 1 });
  }
}

function standardCapabilities({ noCrc, noAes }: Personality): Capability[] {
  const lines: [number, number, number][] = [
    [1, 1, 2],
    [2, 1, 2],
    [3, 1, 0],
    [4, 1, 1],
    [5, 1, 1],
    [6, 0, 0],
    [8, noCrc ? 0 : 1, 0],
    [9, noAes ? 0 : 1, noAes ? 0 : 1],
    [10, 0x00, 0x02],
  ];
  return lines.map(([code, compliance, count]) => ({ function: code, compliance, count }));
}
