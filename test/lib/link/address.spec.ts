import assert from 'node:assert/strict';
import { formatAddress, isLoopback, parseAddress } from '../../../lib/link/index.ts';

describe('link addresses', () => {
  for (const [text, parsed] of [
    ['/dev/ttyUSB0', { kind: 'serial', path: '/dev/ttyUSB0' }],
    [' COM3 ', { kind: 'serial', path: 'COM3' }],
    ['rfc2217://gateway:4001', { kind: 'rfc2217', host: 'gateway', port: 4001 }],
    ['tcp://[::1]:65535', { kind: 'tcp', host: '::1', port: 65535 }],
    ['virtual:bench 1', { kind: 'virtual', name: 'bench 1' }],
  ] as const) {
    it(`reads ${text}`, () => {
      assert.deepEqual(parseAddress(text), parsed);
      assert.equal(formatAddress(parseAddress(text)), text.trim());
    });
  }

  for (const text of ['', 'ttyUSB0', 'virtual:', 'tcp://host', 'tcp://host:0', 'tcp://host:65536', 'http://host:80']) {
    it(`refuses "${text}"`, () =>
      assert.throws(() => parseAddress(text), { code: 'BAD_ADDRESS', detail: { field: 'address', value: text } }));
  }

  it('knows what is this machine', () => {
    assert.deepEqual(
      ['localhost', '::1', '127.0.0.1', '127.8.9.10', '10.0.0.1', '127.0.0.1.example.org', 'gateway'].map(isLoopback),
      [true, true, true, true, false, false, false],
    );
  });
});
