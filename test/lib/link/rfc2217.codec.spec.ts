import assert from 'node:assert/strict';
import {
  comPort,
  control,
  decodeComPort,
  encodeComPort,
  encodeNegotiation,
  escapeIac,
  MAX_SUBOPTION,
  readUint32,
  TelnetParser,
  uint32,
} from '../../../lib/link/rfc2217/codec.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe('RFC 2217 codec', () => {
  it('takes a stream of data, negotiation and suboptions apart', () => {
    const parser = new TelnetParser();
    const events = parser.push(
      bytes(104, 105, 255, 255, 255, 253, 44, 255, 250, 44, 101, 0, 1, 194, 0, 255, 240, 255, 241, 33),
    );
    assert.deepEqual(events, [
      { type: 'data', bytes: bytes(104, 105, 255) },
      { type: 'negotiation', verb: 'do', option: 44 },
      { type: 'suboption', option: 44, body: bytes(101, 0, 1, 194, 0) },
      { type: 'command', code: 241 },
      { type: 'data', bytes: bytes(33) },
    ]);
  });

  it('takes the same stream apart when it comes byte by byte', () => {
    const parser = new TelnetParser();
    const events = [255, 250, 44, 6, 255, 255, 255, 240, 255, 251, 0].flatMap((byte) => parser.push(bytes(byte)));
    assert.deepEqual(events, [
      { type: 'suboption', option: 44, body: bytes(6, 255) },
      { type: 'negotiation', verb: 'will', option: 0 },
    ]);
  });

  it('leaves out an overlong suboption and goes on after it', () => {
    const parser = new TelnetParser();
    const long = new Uint8Array(MAX_SUBOPTION + 1);
    assert.deepEqual(parser.push(bytes(255, 250, 44)), []);
    assert.deepEqual(parser.push(long), []);
    assert.deepEqual(parser.push(bytes(255, 240, 7)), [{ type: 'data', bytes: bytes(7) }]);
    assert.equal(parser.discarded, 1);
  });

  it('keeps a suboption of exactly the longest body', () => {
    const parser = new TelnetParser();
    const body = new Uint8Array(MAX_SUBOPTION).fill(9);
    parser.push(bytes(255, 250, 44));
    parser.push(body);
    assert.deepEqual(parser.push(bytes(255, 240)), [{ type: 'suboption', option: 44, body }]);
  });

  it('recovers from a suboption whose end mark is lost', () => {
    const parser = new TelnetParser();
    assert.deepEqual(parser.push(bytes(255, 250, 44, 1, 255, 251, 3, 65)), [
      { type: 'negotiation', verb: 'will', option: 3 },
      { type: 'data', bytes: bytes(65) },
    ]);
    assert.deepEqual(parser.push(bytes(255, 250, 255, 240)), []);
    assert.equal(parser.discarded, 2);
  });

  it('writes what the RFC shows', () => {
    assert.deepEqual(encodeNegotiation('will', 44), bytes(255, 251, 44));
    assert.deepEqual(encodeComPort(comPort.SET_CONTROL, control.DTR_ON), bytes(255, 250, 44, 5, 8, 255, 240));
    assert.deepEqual(
      encodeComPort(comPort.SET_BAUDRATE, uint32(0x00ff00ff), { fromServer: true }),
      bytes(255, 250, 44, 101, 0, 255, 255, 0, 255, 255, 255, 240),
    );
    assert.deepEqual(escapeIac(bytes(255, 1, 255, 255)), bytes(255, 255, 1, 255, 255, 255, 255));
  });

  it('gives data without 0xFF back without copying', () => {
    const data = bytes(1, 2, 3);
    assert.equal(escapeIac(data), data);
  });

  it('reads Com Port messages from both sides', () => {
    assert.deepEqual(decodeComPort(bytes(5, 8)), { command: 5, fromServer: false, value: bytes(8) });
    assert.deepEqual(decodeComPort(bytes(105, 8)), { command: 5, fromServer: true, value: bytes(8) });
    assert.equal(decodeComPort(bytes()), undefined);
    assert.equal(readUint32(uint32(4_000_000_000)), 4_000_000_000);
    assert.equal(readUint32(bytes(1, 2, 3)), undefined);
  });
});
