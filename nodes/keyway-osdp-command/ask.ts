import {
  commandName,
  type LedControl,
  type OutputControl,
  type PanelReader,
  type SendOptions,
} from '../../lib/osdp/index.ts';
import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { facts, type ReaderFacts, withBuffers } from '../shared/osdp-job.ts';
import { type CommandConfig, colors, type operations, outputActions } from './config.ts';

type Operation = Exclude<(typeof operations)[number], 'add' | 'remove'>;

/** What a reader answered: for the payload, and what of it is known of the reader from now on. */
interface Answer {
  readonly payload: object;
  readonly known?: ReaderFacts;
}

/** A command with all its fields read and checked, before the port is opened. */
export interface Command {
  /** Of a raw command; 0 otherwise. */
  readonly code: number;
  ask(reader: PanelReader, options: SendOptions): Promise<Answer>;
}

/** Times of the norm are counts of 100 ms. */
const TENTHS = 100;
const BLINK = 2;

/** @throws BAD_FIELD */
export async function readCommand(operation: Operation, fields: Fields<CommandConfig>): Promise<Command> {
  switch (operation) {
    case 'identify':
      return asks(async (reader, options) => {
        const known = facts(await reader.identify(options));
        return { payload: known, known };
      });
    case 'capabilities':
      return asks(async (reader, options) => {
        const capabilities = await reader.capabilities(options);
        return { payload: capabilities, known: { capabilities } };
      });
    case 'status':
      return asks(async (reader, options) => {
        const { local, inputs, outputs, readers } = await reader.status(options);
        const listed = Object.entries({ inputs, outputs, readers }).filter(([, bytes]) => bytes !== undefined);
        return {
          payload: { ...local, ...Object.fromEntries(listed.map(([key, bytes]) => [key, [...(bytes ?? [])]])) },
        };
      });
    case 'led': {
      const led = await ledOf(fields);
      return asks((reader, options) => done(reader.led([led], options)));
    }
    case 'buzzer': {
      const ms = (await fields.seconds('seconds')) || 1000;
      const count = Math.min(255, Math.max(1, Math.round(ms / TENTHS / (2 * BLINK))));
      return asks((reader, options) => done(reader.buzzer({ onTime: BLINK, offTime: BLINK, count }, options)));
    }
    case 'text': {
      const text = (await fields.text('text')) ?? '';
      if (text === '' || text.length > 250) throw bad('text', `${text.length} characters`, 'from 1 to 250 characters');
      const seconds = Math.min(255, Math.ceil((await fields.seconds('seconds')) / 1000));
      return asks((reader, options) => done(reader.text(text, { ...options, seconds })));
    }
    case 'output': {
      const output = await outputOf(fields);
      return asks((reader, options) => done(reader.output([output], options)));
    }
    case 'raw':
      return await rawOf(fields);
  }
}

function asks(ask: Command['ask']): Command {
  return { code: 0, ask };
}

async function done(work: Promise<void>): Promise<Answer> {
  await work;
  return { payload: {} };
}

/** For a time or for good, blinking or not. */
async function ledOf(fields: Fields<CommandConfig>): Promise<LedControl> {
  const color = colors.indexOf(await fields.choice('color', colors));
  const timer = Math.round((await fields.seconds('seconds')) / TENTHS);
  if (timer > 0xffff) throw bad('seconds', timer / 10, 'at most 6553 seconds');
  const blink = await fields.boolean('blink');
  const led = await fields.number('number', { blank: 0, max: 255 });
  const setting = { onTime: blink ? BLINK : 1, offTime: blink ? BLINK : 0, onColor: color, offColor: 0 };
  const none = { control: 0, onTime: 0, offTime: 0, onColor: 0, offColor: 0 };
  if (timer === 0)
    return { reader: 0, led, temporary: { ...none, control: 1, timer: 0 }, permanent: { ...setting, control: 1 } };
  return { reader: 0, led, temporary: { ...setting, control: 2, timer }, permanent: none };
}

async function outputOf(fields: Fields<CommandConfig>): Promise<OutputControl> {
  const output = await fields.number('number', { blank: 0, max: 255 });
  const action = await fields.choice('outputAction', outputActions);
  if (action !== 'pulse') return { output, control: action === 'on' ? 2 : 1, timer: 0 };
  const timer = Math.round(((await fields.seconds('seconds')) || 1000) / TENTHS);
  if (timer > 0xffff) throw bad('seconds', timer / 10, 'at most 6553 seconds');
  return { output, control: 5, timer };
}

async function rawOf(fields: Fields<CommandConfig>): Promise<Command> {
  const code = await fields.number('code', { max: 255 });
  const data = bytesOf(await fields.value('data'));
  return {
    code,
    ask: async (reader, options) => {
      const { name, ...rest } = await reader.raw(code, data, options);
      return { payload: { command: commandName(code) ?? code, reply: name, ...withBuffers(rest) } };
    },
  };
}

/** Bytes, or hex digits with or without spaces. @throws BAD_FIELD */
function bytesOf(value: unknown): Uint8Array {
  if (value === undefined || value === null || value === '') return new Uint8Array();
  if (value instanceof Uint8Array) return value;
  const digits = typeof value === 'string' ? value.replace(/[\s:-]/g, '') : 'no text';
  if (digits.length % 2 === 1 || !/^[0-9a-f]*$/i.test(digits)) throw bad('data', typeof value, 'bytes, or hex digits');
  return Buffer.from(digits, 'hex');
}

function bad(field: string, value: unknown, wanted: string): Error {
  return fail('BAD_FIELD', `The field "${field}" must be ${wanted}; it is ${String(value)}.`, {
    hint: 'Open the node and look where the field takes its value from.',
    detail: { field },
  });
}
