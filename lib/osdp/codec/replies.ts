import type { OpaqueMessage } from './commands.ts';
import { Cursor, type Fragment, fragment, type Layout, nothing, opaque, Writer } from './fields.ts';

/** Why a reader refuses a command (7.3). */
export const NAK_REASONS: Readonly<Record<number, string>> = {
  0: 'no error',
  1: 'the check of the frame is wrong',
  2: 'the length of the command is wrong',
  3: 'the command is unknown to the reader',
  4: 'the sequence number is not the one expected',
  5: 'this kind of secure channel is not supported',
  6: 'a secure channel is required',
  7: 'the type of biometry is not supported',
  8: 'the format of biometry is not supported',
  9: 'the command cannot be carried out',
};

/** One line of what a reader can do (Annex B). */
export interface Capability {
  readonly function: number;
  readonly compliance: number;
  readonly count: number;
}

/** Who a reader is (7.4). */
export interface DeviceId {
  /** IEEE OUI, 3 bytes. */
  readonly vendor: Uint8Array;
  readonly model: number;
  readonly version: number;
  readonly serial: number;
  /** Major, minor, build. */
  readonly firmware: readonly [number, number, number];
}

/** The data of each reply (7.1 to 7.26). */
export interface ReplyFields {
  readonly ACK: object;
  readonly NAK: { readonly reason: number; readonly data: Uint8Array };
  readonly PDID: DeviceId;
  readonly PDCAP: { readonly capabilities: readonly Capability[] };
  readonly LSTATR: { readonly tamper: boolean; readonly powerFailure: boolean };
  /** One byte an input, 0 inactive, 1 active. */
  readonly ISTATR: { readonly inputs: Uint8Array };
  /** One byte an output, 0 inactive, 1 active. */
  readonly OSTATR: { readonly outputs: Uint8Array };
  /** One byte a reader, 0 normal, 1 not connected, 2 tamper. */
  readonly RSTATR: { readonly readers: Uint8Array };
  /** A card: `format` 0 unspecified, 1 P/data/P (Wiegand); `data` holds `bits` bits from the left. */
  readonly RAW: { readonly reader: number; readonly format: number; readonly bits: number; readonly data: Uint8Array };
  /** A card as text: `direction` 0 forward, 1 backward. */
  readonly FMT: { readonly reader: number; readonly direction: number; readonly data: Uint8Array };
  /** Keys as ASCII; 0x7F is clear ("*"), 0x0D is enter ("#"). */
  readonly KEYPAD: { readonly reader: number; readonly digits: Uint8Array };
  readonly COM: { readonly address: number; readonly baudRate: number };
  readonly BIOREADR: { reader: number; status: number; type: number; quality: number; template: Uint8Array };
  readonly BIOMATCHR: { readonly reader: number; readonly status: number; readonly score: number };
  readonly EXT_PDID: Fragment;
  readonly CCRYPT: { readonly uid: Uint8Array; readonly rndB: Uint8Array; readonly cryptogram: Uint8Array };
  readonly RMAC_I: { readonly rmac: Uint8Array };
  readonly BUSY: object;
  readonly FTSTAT: { action: number; delayMs: number; status: number; maxSize: number };
  readonly PIVDATAR: Fragment;
  readonly GENAUTHR: Fragment;
  readonly CRAUTHR: Fragment;
  readonly MFGSTATR: { readonly data: Uint8Array };
  readonly MFGERRR: { readonly data: Uint8Array };
  /** `vendor` 3 bytes. */
  readonly MFGREP: { readonly vendor: Uint8Array; readonly data: Uint8Array };
  readonly XRD: { readonly mode: number; readonly reply: number; readonly data: Uint8Array };
}

export type ReplyName = keyof ReplyFields;
/** A reply with its fields, or the bytes of one whose code is none of these. */
export type Reply = { [Name in ReplyName]: { readonly name: Name } & ReplyFields[Name] }[ReplyName] | OpaqueMessage;

const LAYOUTS: { readonly [Name in ReplyName]: Layout<ReplyFields[Name]> } = {
  ACK: nothing(0x40),
  NAK: {
    code: 0x41,
    write: (w, f) => w.u8(f.reason, 'reason').bytes(f.data, 'data'),
    read: (c) => ({ reason: c.u8(), data: c.rest() }),
  },
  PDID: {
    code: 0x45,
    write: (w, f) => {
      w.bytes(f.vendor, 'vendor', 3).u8(f.model, 'model').u8(f.version, 'version').u32(f.serial, 'serial');
      const [major, minor, build] = f.firmware;
      return w.u8(major, 'firmware major').u8(minor, 'firmware minor').u8(build, 'firmware build');
    },
    read: (c) => ({
      vendor: c.bytes(3),
      model: c.u8(),
      version: c.u8(),
      serial: c.u32(),
      firmware: [c.u8(), c.u8(), c.u8()],
    }),
  },
  PDCAP: {
    code: 0x46,
    write: (w, { capabilities }) => {
      for (const one of capabilities) {
        w.u8(one.function, 'function').u8(one.compliance, 'compliance').u8(one.count, 'count');
      }
      return w;
    },
    read: (c) => ({ capabilities: c.all(() => ({ function: c.u8(), compliance: c.u8(), count: c.u8() })) }),
  },
  LSTATR: {
    code: 0x48,
    write: (w, f) => w.u8(f.tamper ? 1 : 0, 'tamper').u8(f.powerFailure ? 1 : 0, 'powerFailure'),
    read: (c) => ({ tamper: c.u8() !== 0, powerFailure: c.u8() !== 0 }),
  },
  ISTATR: {
    code: 0x49,
    write: (w, f) => w.bytes(f.inputs, 'inputs'),
    read: (c) => ({ inputs: c.rest() }),
  },
  OSTATR: {
    code: 0x4a,
    write: (w, f) => w.bytes(f.outputs, 'outputs'),
    read: (c) => ({ outputs: c.rest() }),
  },
  RSTATR: {
    code: 0x4b,
    write: (w, f) => w.bytes(f.readers, 'readers'),
    read: (c) => ({ readers: c.rest() }),
  },
  RAW: {
    code: 0x50,
    write: (w, f) =>
      w
        .u8(f.reader, 'reader')
        .u8(f.format, 'format')
        .u16(f.bits, 'bits')
        .bytes(f.data, 'data', Math.ceil(f.bits / 8)),
    read: (c) => {
      const [reader, format, bits] = [c.u8(), c.u8(), c.u16()];
      return { reader, format, bits, data: c.bytes(Math.ceil(bits / 8)) };
    },
  },
  FMT: {
    code: 0x51,
    write: (w, f) =>
      w.u8(f.reader, 'reader').u8(f.direction, 'direction').u8(f.data.length, 'length of data').bytes(f.data, 'data'),
    read: (c) => ({ reader: c.u8(), direction: c.u8(), data: c.bytes(c.u8()) }),
  },
  KEYPAD: {
    code: 0x53,
    write: (w, f) => w.u8(f.reader, 'reader').u8(f.digits.length, 'number of digits').bytes(f.digits, 'digits'),
    read: (c) => ({ reader: c.u8(), digits: c.bytes(c.u8()) }),
  },
  COM: {
    code: 0x54,
    write: (w, f) => w.u8(f.address, 'address').u32(f.baudRate, 'baudRate'),
    read: (c) => ({ address: c.u8(), baudRate: c.u32() }),
  },
  BIOREADR: {
    code: 0x57,
    write: (w, f) => {
      w.u8(f.reader, 'reader').u8(f.status, 'status').u8(f.type, 'type').u8(f.quality, 'quality');
      return w.u16(f.template.length, 'length of template').bytes(f.template, 'template');
    },
    read: (c) => ({
      reader: c.u8(),
      status: c.u8(),
      type: c.u8(),
      quality: c.u8(),
      template: c.bytes(c.u16()),
    }),
  },
  BIOMATCHR: {
    code: 0x58,
    write: (w, f) => w.u8(f.reader, 'reader').u8(f.status, 'status').u8(f.score, 'score'),
    read: (c) => ({ reader: c.u8(), status: c.u8(), score: c.u8() }),
  },
  EXT_PDID: fragment(0x59),
  CCRYPT: {
    code: 0x76,
    write: (w, f) => w.bytes(f.uid, 'uid', 8).bytes(f.rndB, 'rndB', 8).bytes(f.cryptogram, 'cryptogram', 16),
    read: (c) => ({ uid: c.bytes(8), rndB: c.bytes(8), cryptogram: c.bytes(16) }),
  },
  RMAC_I: {
    code: 0x78,
    write: (w, f) => w.bytes(f.rmac, 'rmac', 16),
    read: (c) => ({ rmac: c.bytes(16) }),
  },
  BUSY: nothing(0x79),
  FTSTAT: {
    code: 0x7a,
    write: (w, f) =>
      w.u8(f.action, 'action').u16(f.delayMs, 'delayMs').i16(f.status, 'status').u16(f.maxSize, 'maxSize'),
    read: (c) => ({ action: c.u8(), delayMs: c.u16(), status: c.i16(), maxSize: c.u16() }),
  },
  PIVDATAR: fragment(0x80),
  GENAUTHR: fragment(0x81),
  CRAUTHR: fragment(0x82),
  MFGSTATR: opaque(0x83),
  MFGERRR: opaque(0x84),
  MFGREP: {
    code: 0x90,
    write: (w, f) => w.bytes(f.vendor, 'vendor', 3).bytes(f.data, 'data'),
    read: (c) => ({ vendor: c.bytes(3), data: c.rest() }),
  },
  XRD: {
    code: 0xb1,
    write: (w, f) => w.u8(f.mode, 'mode').u8(f.reply, 'reply').bytes(f.data, 'data'),
    read: (c) => ({ mode: c.u8(), reply: c.u8(), data: c.rest() }),
  },
};

const NAMES = new Map(Object.entries(LAYOUTS).map(([name, { code }]) => [code, name as ReplyName]));

/** Code of each reply. */
export const REPLIES = Object.freeze(
  Object.fromEntries(Object.entries(LAYOUTS).map(([name, { code }]) => [name, code])),
) as { readonly [Name in ReplyName]: number };

/** The name of a reply's code; undefined where the norm has none. */
export function replyName(code: number): ReplyName | undefined {
  return NAMES.get(code);
}

/** @throws BAD_OSDP_RECORD naming the field that does not fit. */
export function encodeReply(reply: Reply): { code: number; data: Uint8Array } {
  if (reply.name === 'OPAQUE') return { code: reply.code, data: reply.data };
  const layout = LAYOUTS[reply.name] as Layout<Reply>;
  return { code: layout.code, data: layout.write(new Writer(reply.name), reply).done() };
}

/** @throws BAD_OSDP_RECORD when the length does not fit the reply. */
export function decodeReply(code: number, data: Uint8Array): Reply {
  const name = NAMES.get(code);
  if (name === undefined) return { name: 'OPAQUE', code, data: data.slice() };
  const cursor = new Cursor(name, data);
  const fields = LAYOUTS[name].read(cursor);
  cursor.end();
  return { name, ...fields } as Reply;
}
