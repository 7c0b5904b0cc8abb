import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  COMMANDS,
  type Command,
  decodeCommand,
  decodeReply,
  encodeCommand,
  encodeReply,
  featuresOf,
  REPLIES,
  type Reply,
} from '../../../lib/osdp/index.ts';
import { bytes, hex } from './support.ts';

const data = fc.uint8Array({ maxLength: 40 });
const fixed = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const u8 = fc.integer({ min: 0, max: 255 });
const u16 = fc.integer({ min: 0, max: 65535 });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const rec = fc.record;
const name = <T extends string>(value: T) => fc.constant(value);
const setting = { onTime: u8, offTime: u8, onColor: u8, offColor: u8 };

const commands: Record<Exclude<Command['name'], 'OPAQUE'>, fc.Arbitrary<unknown>> = {
  POLL: rec({ name: name('POLL') }),
  ID: rec({ name: name('ID'), extended: fc.boolean() }),
  CAP: rec({ name: name('CAP') }),
  LSTAT: rec({ name: name('LSTAT') }),
  ISTAT: rec({ name: name('ISTAT') }),
  OSTAT: rec({ name: name('OSTAT') }),
  RSTAT: rec({ name: name('RSTAT') }),
  OUT: rec({ name: name('OUT'), outputs: fc.array(rec({ output: u8, control: u8, timer: u16 }), { maxLength: 8 }) }),
  LED: rec({
    name: name('LED'),
    leds: fc.array(
      rec({
        reader: u8,
        led: u8,
        temporary: rec({ control: u8, ...setting, timer: u16 }),
        permanent: rec({ control: u8, ...setting }),
      }),
      { maxLength: 4 },
    ),
  }),
  BUZ: rec({ name: name('BUZ'), reader: u8, tone: u8, onTime: u8, offTime: u8, count: u8 }),
  TEXT: rec({
    name: name('TEXT'),
    reader: u8,
    command: u8,
    seconds: u8,
    row: u8,
    column: u8,
    text: fc.string({ maxLength: 60 }),
  }),
  RMODE: rec({ name: name('RMODE'), data }),
  TDSET: rec({ name: name('TDSET'), data }),
  COMSET: rec({ name: name('COMSET'), address: u8, baudRate: u32 }),
  BIOREAD: rec({ name: name('BIOREAD'), reader: u8, type: u8, format: u8, quality: u8 }),
  BIOMATCH: rec({ name: name('BIOMATCH'), reader: u8, type: u8, format: u8, quality: u8, template: data }),
  KEYSET: rec({ name: name('KEYSET'), type: u8, key: fixed(16) }),
  CHLNG: rec({ name: name('CHLNG'), rndA: fixed(8) }),
  SCRYPT: rec({ name: name('SCRYPT'), cryptogram: fixed(16) }),
  ACURXSIZE: rec({ name: name('ACURXSIZE'), size: u16 }),
  FILETRANSFER: rec({ name: name('FILETRANSFER'), type: u8, total: u32, offset: u32, data }),
  MFG: rec({ name: name('MFG'), vendor: fixed(3), data }),
  XWR: rec({ name: name('XWR'), mode: u8, command: u8, data }),
  ABORT: rec({ name: name('ABORT') }),
  PIVDATA: rec({ name: name('PIVDATA'), object: fixed(3), element: u8, offset: u16 }),
  GENAUTH: rec({ name: name('GENAUTH'), total: u16, offset: u16, data }),
  CRAUTH: rec({ name: name('CRAUTH'), total: u16, offset: u16, data }),
  KEEPACTIVE: rec({ name: name('KEEPACTIVE'), ms: u16 }),
};

const replies: Record<Exclude<Reply['name'], 'OPAQUE'>, fc.Arbitrary<unknown>> = {
  ACK: rec({ name: name('ACK') }),
  NAK: rec({ name: name('NAK'), reason: u8, data }),
  PDID: rec({
    name: name('PDID'),
    vendor: fixed(3),
    model: u8,
    version: u8,
    serial: u32,
    firmware: fc.tuple(u8, u8, u8),
  }),
  PDCAP: rec({
    name: name('PDCAP'),
    capabilities: fc.array(rec({ function: u8, compliance: u8, count: u8 }), { maxLength: 20 }),
  }),
  LSTATR: rec({ name: name('LSTATR'), tamper: fc.boolean(), powerFailure: fc.boolean() }),
  ISTATR: rec({ name: name('ISTATR'), inputs: data }),
  OSTATR: rec({ name: name('OSTATR'), outputs: data }),
  RSTATR: rec({ name: name('RSTATR'), readers: data }),
  RAW: fc
    .integer({ min: 0, max: 300 })
    .chain((bits) =>
      rec({ name: name('RAW'), reader: u8, format: u8, bits: fc.constant(bits), data: fixed(Math.ceil(bits / 8)) }),
    ),
  FMT: rec({ name: name('FMT'), reader: u8, direction: u8, data }),
  KEYPAD: rec({ name: name('KEYPAD'), reader: u8, digits: data }),
  COM: rec({ name: name('COM'), address: u8, baudRate: u32 }),
  BIOREADR: rec({ name: name('BIOREADR'), reader: u8, status: u8, type: u8, quality: u8, template: data }),
  BIOMATCHR: rec({ name: name('BIOMATCHR'), reader: u8, status: u8, score: u8 }),
  EXT_PDID: rec({ name: name('EXT_PDID'), total: u16, offset: u16, data }),
  CCRYPT: rec({ name: name('CCRYPT'), uid: fixed(8), rndB: fixed(8), cryptogram: fixed(16) }),
  RMAC_I: rec({ name: name('RMAC_I'), rmac: fixed(16) }),
  BUSY: rec({ name: name('BUSY') }),
  FTSTAT: rec({
    name: name('FTSTAT'),
    action: u8,
    delayMs: u16,
    status: fc.integer({ min: -32768, max: 32767 }),
    maxSize: u16,
  }),
  PIVDATAR: rec({ name: name('PIVDATAR'), total: u16, offset: u16, data }),
  GENAUTHR: rec({ name: name('GENAUTHR'), total: u16, offset: u16, data }),
  CRAUTHR: rec({ name: name('CRAUTHR'), total: u16, offset: u16, data }),
  MFGSTATR: rec({ name: name('MFGSTATR'), data }),
  MFGERRR: rec({ name: name('MFGERRR'), data }),
  MFGREP: rec({ name: name('MFGREP'), vendor: fixed(3), data }),
  XRD: rec({ name: name('XRD'), mode: u8, reply: u8, data }),
};

const asPlain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, one: unknown) => (one instanceof Uint8Array ? [...one] : one)));

describe('OSDP commands and replies', () => {
  for (const [title, made] of Object.entries(commands)) {
    it(`command ${title} comes back as it was encoded`, () => {
      assert.equal(COMMANDS[title as keyof typeof COMMANDS] > 0x5f, true);
      fc.assert(
        fc.property(made, (command) => {
          const { code, data } = encodeCommand(command as Command);
          assert.deepEqual(asPlain(decodeCommand(code, data)), asPlain(command));
        }),
        { numRuns: 50 },
      );
    });
  }
  for (const [title, made] of Object.entries(replies)) {
    it(`reply ${title} comes back as it was encoded`, () => {
      assert.equal(REPLIES[title as keyof typeof REPLIES] >= 0x40, true);
      fc.assert(
        fc.property(made, (reply) => {
          const { code, data } = encodeReply(reply as Reply);
          assert.deepEqual(asPlain(decodeReply(code, data)), asPlain(reply));
        }),
        { numRuns: 50 },
      );
    });
  }

  it('have the codes of the norm', () => {
    assert.deepEqual(
      [COMMANDS.POLL, COMMANDS.COMSET, COMMANDS.KEYSET, COMMANDS.CHLNG, COMMANDS.MFG, COMMANDS.KEEPACTIVE],
      [0x60, 0x6e, 0x75, 0x76, 0x80, 0xa7],
    );
    assert.deepEqual(
      [REPLIES.ACK, REPLIES.NAK, REPLIES.PDID, REPLIES.COM, REPLIES.RMAC_I, REPLIES.BUSY, REPLIES.XRD],
      [0x40, 0x41, 0x45, 0x54, 0x78, 0x79, 0xb1],
    );
  });

  it('read what a real reader sent', () => {
    const id = decodeReply(0x45, bytes('697A009901040302010B0C0D'));
    assert.ok(id.name === 'PDID');
    assert.deepEqual(
      [hex(id.vendor), id.model, id.version, id.serial, [...id.firmware]],
      ['697A00', 0x99, 1, 0x01020304, [0x0b, 0x0c, 0x0d]],
    );
    const cap = decodeReply(0x46, bytes('0101010201010401010501010601010801000901000A0001100200'));
    assert.ok(cap.name === 'PDCAP');
    assert.deepEqual(featuresOf(cap.capabilities), { secureChannel: true, crc: true, bufferSize: 256 });
  });

  it('keep unknown codes opaque', () => {
    assert.deepEqual(decodeCommand(0x99, bytes('0102')), { name: 'OPAQUE', code: 0x99, data: bytes('0102') });
    assert.deepEqual(decodeReply(0x99, bytes('0102')), { name: 'OPAQUE', code: 0x99, data: bytes('0102') });
  });

  it('refuse lengths and numbers that do not fit, and name the field', () => {
    assert.throws(() => decodeReply(0x45, new Uint8Array(11)), { code: 'BAD_OSDP_RECORD' });
    assert.throws(() => decodeReply(0x54, new Uint8Array(6)), { code: 'BAD_OSDP_RECORD' });
    assert.throws(() => decodeCommand(0x60, new Uint8Array(1)), { code: 'BAD_OSDP_RECORD' });
    assert.throws(() => encodeCommand({ name: 'COMSET', address: 256, baudRate: 9600 }), {
      code: 'BAD_OSDP_RECORD',
      message: /address is 256/,
    });
    assert.throws(() => encodeCommand({ name: 'CHLNG', rndA: new Uint8Array(7) }), { message: /rndA has 7 bytes/ });
  });

  it('take the offset of PIVDATA in one byte too', () => {
    const read = decodeCommand(0xa3, bytes('5FC1020119'));
    assert.ok(read.name === 'PIVDATA');
    assert.equal(read.offset, 25);
  });
});
