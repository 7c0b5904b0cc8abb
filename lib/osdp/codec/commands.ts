import { Cursor, type Fragment, fragment, type Layout, nothing, opaque, Writer } from './fields.ts';

/** One line of a LED command (6.10). Times are in units of 100 ms. */
export interface LedControl {
  readonly reader: number;
  readonly led: number;
  /** 0 leave as it is, 1 end the temporary setting, 2 set it and start its timer. */
  readonly temporary: LedSetting & { readonly control: number; readonly timer: number };
  /** 0 leave as it is, 1 set. */
  readonly permanent: LedSetting & { readonly control: number };
}

/** Colours: 0 off, 1 red, 2 green, 3 amber, 4 blue, 5 magenta, 6 cyan, 7 white. */
export interface LedSetting {
  readonly onTime: number;
  readonly offTime: number;
  readonly onColor: number;
  readonly offColor: number;
}

/** One line of an output command (6.9): `timer` in units of 100 ms. */
export interface OutputControl {
  readonly output: number;
  /** 0 none, 1 off, 2 on, 3 off after the timed operation, 4 on after it, 5 on for the time, 6 off for the time. */
  readonly control: number;
  readonly timer: number;
}

/** The data of each command (6.1 to 6.26). Numbers are unsigned and little-endian on the wire. */
export interface CommandFields {
  readonly POLL: object;
  readonly ID: { readonly extended: boolean };
  readonly CAP: object;
  readonly LSTAT: object;
  readonly ISTAT: object;
  readonly OSTAT: object;
  readonly RSTAT: object;
  readonly OUT: { readonly outputs: readonly OutputControl[] };
  readonly LED: { readonly leds: readonly LedControl[] };
  /** Tone 1 off, 2 default; times in units of 100 ms; count 0 = until told otherwise. */
  readonly BUZ: { reader: number; tone: number; onTime: number; offTime: number; count: number };
  /** `command` 1 permanent, 2 permanent with wrap, 3 temporary, 4 temporary with wrap; time in seconds. */
  readonly TEXT: { reader: number; command: number; seconds: number; row: number; column: number; text: string };
  readonly RMODE: { readonly data: Uint8Array };
  readonly TDSET: { readonly data: Uint8Array };
  readonly COMSET: { readonly address: number; readonly baudRate: number };
  readonly BIOREAD: { reader: number; type: number; format: number; quality: number };
  readonly BIOMATCH: { reader: number; type: number; format: number; quality: number; template: Uint8Array };
  /** `type` 1 = the key of the secure channel. */
  readonly KEYSET: { readonly type: number; readonly key: Uint8Array };
  readonly CHLNG: { readonly rndA: Uint8Array };
  readonly SCRYPT: { readonly cryptogram: Uint8Array };
  readonly ACURXSIZE: { readonly size: number };
  readonly FILETRANSFER: { type: number; total: number; offset: number; data: Uint8Array };
  /** `vendor` 3 bytes. */
  readonly MFG: { readonly vendor: Uint8Array; readonly data: Uint8Array };
  readonly XWR: { readonly mode: number; readonly command: number; readonly data: Uint8Array };
  readonly ABORT: object;
  /** `object` 3 bytes. */
  readonly PIVDATA: { readonly object: Uint8Array; readonly element: number; readonly offset: number };
  readonly GENAUTH: Fragment;
  readonly CRAUTH: Fragment;
  /** Milliseconds. */
  readonly KEEPACTIVE: { readonly ms: number };
}

export type CommandName = keyof CommandFields;
/** A command with its fields, or the bytes of one whose code is none of these. */
export type Command =
  | { [Name in CommandName]: { readonly name: Name } & CommandFields[Name] }[CommandName]
  | OpaqueMessage;

/** A code that the norm does not name, or reserves: never looked into. */
export interface OpaqueMessage {
  readonly name: 'OPAQUE';
  readonly code: number;
  readonly data: Uint8Array;
}

const text = new TextEncoder();

const led: Layout<CommandFields['LED']> = {
  code: 0x69,
  write: (w, { leds }) => {
    for (const { reader, led, temporary: t, permanent: p } of leds) {
      w.u8(reader, 'reader').u8(led, 'led');
      w.u8(t.control, 'temporary.control').u8(t.onTime, 'temporary.onTime').u8(t.offTime, 'temporary.offTime');
      w.u8(t.onColor, 'temporary.onColor').u8(t.offColor, 'temporary.offColor').u16(t.timer, 'temporary.timer');
      w.u8(p.control, 'permanent.control').u8(p.onTime, 'permanent.onTime').u8(p.offTime, 'permanent.offTime');
      w.u8(p.onColor, 'permanent.onColor').u8(p.offColor, 'permanent.offColor');
    }
    return w;
  },
  read: (c) => ({
    leds: c.all(() => ({
      reader: c.u8(),
      led: c.u8(),
      temporary: {
        control: c.u8(),
        onTime: c.u8(),
        offTime: c.u8(),
        onColor: c.u8(),
        offColor: c.u8(),
        timer: c.u16(),
      },
      permanent: { control: c.u8(), onTime: c.u8(), offTime: c.u8(), onColor: c.u8(), offColor: c.u8() },
    })),
  }),
};

const LAYOUTS: { readonly [Name in CommandName]: Layout<CommandFields[Name]> } = {
  POLL: nothing(0x60),
  ID: {
    code: 0x61,
    write: (w, { extended }) => w.u8(extended ? 1 : 0, 'extended'),
    read: (c) => ({ extended: c.u8() === 1 }),
  },
  CAP: {
    code: 0x62,
    write: (w) => w.u8(0, 'type'),
    read: (c) => {
      c.u8();
      return {};
    },
  },
  LSTAT: nothing(0x64),
  ISTAT: nothing(0x65),
  OSTAT: nothing(0x66),
  RSTAT: nothing(0x67),
  OUT: {
    code: 0x68,
    write: (w, { outputs }) => {
      for (const one of outputs) w.u8(one.output, 'output').u8(one.control, 'control').u16(one.timer, 'timer');
      return w;
    },
    read: (c) => ({ outputs: c.all(() => ({ output: c.u8(), control: c.u8(), timer: c.u16() })) }),
  },
  LED: led,
  BUZ: {
    code: 0x6a,
    write: (w, f) =>
      w.u8(f.reader, 'reader').u8(f.tone, 'tone').u8(f.onTime, 'onTime').u8(f.offTime, 'offTime').u8(f.count, 'count'),
    read: (c) => ({ reader: c.u8(), tone: c.u8(), onTime: c.u8(), offTime: c.u8(), count: c.u8() }),
  },
  TEXT: {
    code: 0x6b,
    write: (w, f) => {
      const bytes = text.encode(f.text);
      w.u8(f.reader, 'reader').u8(f.command, 'command').u8(f.seconds, 'seconds').u8(f.row, 'row');
      return w.u8(f.column, 'column').u8(bytes.length, 'length of text').bytes(bytes, 'text');
    },
    read: (c) => ({
      reader: c.u8(),
      command: c.u8(),
      seconds: c.u8(),
      row: c.u8(),
      column: c.u8(),
      text: new TextDecoder().decode(c.bytes(c.u8())),
    }),
  },
  RMODE: opaque(0x6c),
  TDSET: opaque(0x6d),
  COMSET: {
    code: 0x6e,
    write: (w, f) => w.u8(f.address, 'address').u32(f.baudRate, 'baudRate'),
    read: (c) => ({ address: c.u8(), baudRate: c.u32() }),
  },
  BIOREAD: {
    code: 0x73,
    write: (w, f) => w.u8(f.reader, 'reader').u8(f.type, 'type').u8(f.format, 'format').u8(f.quality, 'quality'),
    read: (c) => ({ reader: c.u8(), type: c.u8(), format: c.u8(), quality: c.u8() }),
  },
  BIOMATCH: {
    code: 0x74,
    write: (w, f) => {
      w.u8(f.reader, 'reader').u8(f.type, 'type').u8(f.format, 'format').u8(f.quality, 'quality');
      return w.u16(f.template.length, 'length of template').bytes(f.template, 'template');
    },
    read: (c) => ({
      reader: c.u8(),
      type: c.u8(),
      format: c.u8(),
      quality: c.u8(),
      template: c.bytes(c.u16()),
    }),
  },
  KEYSET: {
    code: 0x75,
    write: (w, f) => w.u8(f.type, 'type').u8(f.key.length, 'length of key').bytes(f.key, 'key'),
    read: (c) => ({ type: c.u8(), key: c.bytes(c.u8()) }),
  },
  CHLNG: {
    code: 0x76,
    write: (w, f) => w.bytes(f.rndA, 'rndA', 8),
    read: (c) => ({ rndA: c.bytes(8) }),
  },
  SCRYPT: {
    code: 0x77,
    write: (w, f) => w.bytes(f.cryptogram, 'cryptogram', 16),
    read: (c) => ({ cryptogram: c.bytes(16) }),
  },
  ACURXSIZE: { code: 0x7b, write: (w, f) => w.u16(f.size, 'size'), read: (c) => ({ size: c.u16() }) },
  FILETRANSFER: {
    code: 0x7c,
    write: (w, f) => {
      w.u8(f.type, 'type').u32(f.total, 'total').u32(f.offset, 'offset');
      return w.u16(f.data.length, 'length of data').bytes(f.data, 'data');
    },
    read: (c) => ({ type: c.u8(), total: c.u32(), offset: c.u32(), data: c.bytes(c.u16()) }),
  },
  MFG: {
    code: 0x80,
    write: (w, f) => w.bytes(f.vendor, 'vendor', 3).bytes(f.data, 'data'),
    read: (c) => ({ vendor: c.bytes(3), data: c.rest() }),
  },
  XWR: {
    code: 0xa1,
    write: (w, f) => w.u8(f.mode, 'mode').u8(f.command, 'command').bytes(f.data, 'data'),
    read: (c) => ({ mode: c.u8(), command: c.u8(), data: c.rest() }),
  },
  ABORT: nothing(0xa2),
  PIVDATA: {
    code: 0xa3,
    write: (w, f) => w.bytes(f.object, 'object', 3).u8(f.element, 'element').u16(f.offset, 'offset'),
    // Older panels send the offset in one byte.
    read: (c) => ({ object: c.bytes(3), element: c.u8(), offset: c.left === 1 ? c.u8() : c.u16() }),
  },
  GENAUTH: fragment(0xa4),
  CRAUTH: fragment(0xa5),
  KEEPACTIVE: { code: 0xa7, write: (w, f) => w.u16(f.ms, 'ms'), read: (c) => ({ ms: c.u16() }) },
};

const NAMES = new Map(Object.entries(LAYOUTS).map(([name, { code }]) => [code, name as CommandName]));

/** Code of each command. */
export const COMMANDS = Object.freeze(
  Object.fromEntries(Object.entries(LAYOUTS).map(([name, { code }]) => [name, code])),
) as { readonly [Name in CommandName]: number };

/** The name of a command's code; undefined where the norm has none. */
export function commandName(code: number): CommandName | undefined {
  return NAMES.get(code);
}

/** @throws BAD_OSDP_RECORD naming the field that does not fit. */
export function encodeCommand(command: Command): { code: number; data: Uint8Array } {
  if (command.name === 'OPAQUE') return { code: command.code, data: command.data };
  const layout = LAYOUTS[command.name] as Layout<Command>;
  return { code: layout.code, data: layout.write(new Writer(command.name), command).done() };
}

/** @throws BAD_OSDP_RECORD when the length does not fit the command. */
export function decodeCommand(code: number, data: Uint8Array): Command {
  const name = NAMES.get(code);
  if (name === undefined) return { name: 'OPAQUE', code, data: data.slice() };
  const cursor = new Cursor(name, data);
  const fields = LAYOUTS[name].read(cursor);
  cursor.end();
  return { name, ...fields } as Command;
}
