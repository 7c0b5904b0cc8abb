import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  concat,
  encodeNegotiation,
  encodeSuboption,
  escapeIac,
  MAX_SUBOPTION,
  type TelnetEvent,
  TelnetParser,
} from '../../../lib/link/rfc2217/codec.ts';

/** Inputs in all: KEYWAY_FUZZ, else 2000. */
const numRuns = Number(process.env.KEYWAY_FUZZ ?? 2000);
/** Where the generator starts: KEYWAY_FUZZ_SEED, else always the same. */
const seed = Number(process.env.KEYWAY_FUZZ_SEED ?? 2217);

/** What a stream is made of, before it is encoded. */
const piece = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes): TelnetEvent => ({ type: 'data', bytes })),
  fc.constant<TelnetEvent>({ type: 'data', bytes: Uint8Array.of(255, 255, 240, 255) }),
  fc
    .tuple(fc.constantFrom('will' as const, 'wont' as const, 'do' as const, 'dont' as const), fc.nat(255))
    .map(([verb, option]): TelnetEvent => ({ type: 'negotiation', verb, option })),
  fc
    // An option 255 has no unambiguous form on the wire.
    .tuple(fc.nat(254), fc.uint8Array({ maxLength: 12 }))
    .map(([option, body]): TelnetEvent => ({ type: 'suboption', option, body })),
  fc.nat(239).map((code): TelnetEvent => ({ type: 'command', code })),
);

const mutation = fc.record({
  kind: fc.constantFrom('flip' as const, 'drop' as const, 'insert' as const, 'iac' as const),
  at: fc.nat(),
  value: fc.nat(255),
});

const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 });

describe('RFC 2217 parser, fuzzed', function () {
  this.timeout(120_000);

  it('gives back what was encoded, in whatever chunks', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), cuts, (pieces, sizes) => {
        const stream = concat(pieces.map(encode));
        assert.deepEqual(normal(parse([stream])), normal(pieces));
        assert.deepEqual(normal(parse(cut(stream, sizes))), normal(pieces));
      }),
      { seed, numRuns: Math.ceil(numRuns / 4) },
    );
  });

  it('never fails on a damaged stream, and reads it the same in whatever chunks', () => {
    fc.assert(
      fc.property(
        fc.array(piece, { minLength: 1, maxLength: 12 }),
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        cuts,
        (pieces, mutations, sizes) => {
          const stream = mutations.reduce(mutate, concat(pieces.map(encode)));
          sound(stream, sizes);
        },
      ),
      { seed, numRuns: Math.ceil(numRuns / 2) },
    );
  });

  it('never fails on garbage', () => {
    const garbage = fc
      .array(fc.oneof(fc.nat(255), fc.constantFrom(255, 250, 240, 251, 253, 44)), { maxLength: 300 })
      .map((values) => Uint8Array.from(values));
    fc.assert(
      fc.property(garbage, cuts, (stream, sizes) => sound(stream, sizes)),
      { seed, numRuns: Math.ceil(numRuns / 4) },
    );
  });
});

/** The same whatever the chunks; nothing larger than what came in; no overlong suboption; usable afterwards. */
function sound(stream: Uint8Array, sizes: number[]): void {
  const whole = parse([stream]);
  assert.deepEqual(normal(parse(cut(stream, sizes))), normal(whole));
  const size = whole.reduce((sum, event) => sum + sizeOf(event), 0);
  assert.ok(size <= stream.length, `${size} bytes of events from ${stream.length}`);
  const parser = new TelnetParser();
  parser.push(stream);
  // IAC SE ends whatever is open: a verb takes IAC as its option, so the end mark comes twice.
  parser.push(Uint8Array.of(255, 240, 255, 240));
  assert.deepEqual(parser.push(Uint8Array.of(1, 2)), [{ type: 'data', bytes: Uint8Array.of(1, 2) }]);
}

function sizeOf(event: TelnetEvent): number {
  if (event.type === 'data') return event.bytes.length;
  if (event.type === 'suboption') {
    assert.ok(event.body.length <= MAX_SUBOPTION);
    return event.body.length + 5;
  }
  return event.type === 'negotiation' ? 3 : 2;
}

function parse(chunks: Uint8Array[]): TelnetEvent[] {
  const parser = new TelnetParser();
  return chunks.flatMap((chunk) => parser.push(chunk));
}

function encode(event: TelnetEvent): Uint8Array {
  switch (event.type) {
    case 'data':
      return escapeIac(event.bytes);
    case 'negotiation':
      return encodeNegotiation(event.verb, event.option);
    case 'suboption':
      return encodeSuboption(event.option, event.body);
    case 'command':
      return Uint8Array.of(255, event.code);
  }
}

function cut(stream: Uint8Array, sizes: number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0, turn = 0; at < stream.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    chunks.push(stream.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

/** Where data is cut says nothing: runs of it are joined. */
function normal(events: TelnetEvent[]): unknown[] {
  const joined: TelnetEvent[] = [];
  for (const event of events) {
    const last = joined.at(-1);
    if (event.type === 'data' && last?.type === 'data') {
      joined[joined.length - 1] = { type: 'data', bytes: concat([last.bytes, event.bytes]) };
    } else joined.push(event);
  }
  return joined;
}

function mutate(stream: Uint8Array, { kind, at, value }: { kind: string; at: number; value: number }): Uint8Array {
  const index = stream.length === 0 ? 0 : at % stream.length;
  const before = stream.subarray(0, index);
  if (kind === 'drop') return concat([before, stream.subarray(index + 1)]);
  if (kind === 'insert') return concat([before, Uint8Array.of(value), stream.subarray(index)]);
  const changed = stream.slice();
  if (index < changed.length) changed[index] = kind === 'iac' ? 255 : (changed[index] ?? 0) ^ (1 << (value & 7));
  return changed;
}
