import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isKeywayError } from '../../../../../lib/errors/index.ts';
import { parseFromDevice, parseRequest } from '../../../../../lib/osdp/provisioner/link/envelope.ts';
import { encodeFrame, FRAME_MOST, type Frame, FrameReader } from '../../../../../lib/osdp/provisioner/link/frame.ts';
import { REQUESTS } from '../../../../../lib/osdp/provisioner/link/messages.ts';
import { SlipReader, slipEncode } from '../../../../../lib/osdp/provisioner/link/slip.ts';
import { fromDevice, mutated, request } from './arbitrary.ts';
import { LinkBench } from './bench.ts';
import { RawHost } from './raw.ts';

const numRuns = Number(process.env.KEYWAY_FUZZ ?? 300);

/** As JSON has it. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** Cuts bytes into pieces of random length. */
function pieces(bytes: Uint8Array, next: (most: number) => number): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + next(Math.min(200, bytes.length - at));
    out.push(Uint8Array.from(bytes.subarray(at, at + length)));
    at += length;
  }
  return out;
}

function read(bytes: Uint8Array, next: (most: number) => number): Frame[] {
  const reader = new FrameReader();
  return pieces(bytes, next).flatMap((piece) => [...reader.push(piece)]);
}

const random = fc.infiniteStream(fc.nat()).map((stream) => {
  const numbers = stream[Symbol.iterator]();
  return (most: number): number => (numbers.next().value as number) % most;
});
const secret = fc.uint8Array({ minLength: 16, maxLength: 16 });

describe('fuzz: the provisioner’s link', () => {
  it('reads every request as it was sent, however it is cut', () => {
    fc.assert(
      fc.property(fc.array(request, { maxLength: 4 }), secret, random, (requests, seed, next) => {
        const sent = requests.map(({ type, params, secret: has }, i) =>
          encodeFrame({ type, id: i + 1, ...params }, has ? seed : undefined),
        );
        const frames = read(Buffer.concat(sent), next);
        assert.equal(frames.length, requests.length);
        for (const [i, frame] of frames.entries()) {
          const { type, params, secret: has } = requests[i] as (typeof requests)[number];
          assert.deepEqual(parseRequest(frame.message, frame.secret !== null), plain({ type, id: i + 1, params }));
          assert.deepEqual(frame.secret === null ? null : Uint8Array.from(frame.secret), has ? seed : null);
        }
      }),
      { numRuns },
    );
  });

  it('reads what a device sends as it was sent', () => {
    fc.assert(
      fc.property(fromDevice, random, (message, next) => {
        const [frame] = read(encodeFrame(message), next);
        assert.deepEqual(parseFromDevice(frame?.message ?? {}), plain(message));
      }),
      { numRuns },
    );
  });

  it('refuses messages that are nearly right under a code, or reads what is in its range', () => {
    fc.assert(
      fc.property(request, fromDevice, random, (asked, said, next) => {
        const wrong = mutated({ type: asked.type, id: 1, ...asked.params }, next);
        const other = mutated(said, next);
        for (const [message, parse] of [
          [wrong, (one: Record<string, unknown>) => parseRequest(one, asked.secret)],
          [other, parseFromDevice],
        ] as const) {
          if (typeof message !== 'object' || message === null || Array.isArray(message)) continue;
          try {
            const made = parse(JSON.parse(JSON.stringify(message)));
            // What is read can be sent again, and is then read as the same.
            if (made !== undefined && 'params' in made) {
              const { params } = REQUESTS[made.type];
              assert.deepEqual((params as (value: unknown, at: string) => unknown)(made.params, ''), made.params);
            }
          } catch (error) {
            assert.ok(isKeywayError(error, 'BAD_MESSAGE', 'UNKNOWN_MESSAGE'), String(error));
            assert.ok(error.message.length < 1000);
          }
        }
        assert.equal(Object.getPrototypeOf({}).extra, undefined);
      }),
      { numRuns },
    );
  });

  it('holds no more than a frame, whatever bytes come', () => {
    fc.assert(
      fc.property(
        request,
        secret,
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 6 }),
        random,
        (one, seed, changes, next) => {
          const bytes = Buffer.concat([
            encodeFrame({ type: one.type, id: 1, ...one.params }, one.secret ? seed : undefined),
            encodeFrame({ type: 'ping', id: 2 }),
          ]);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          try {
            for (const frame of read(bytes, next)) assert.ok(JSON.stringify(frame.message).length <= FRAME_MOST);
          } catch (error) {
            assert.ok(isKeywayError(error, 'BAD_FRAME'), String(error));
          }
        },
      ),
      { numRuns },
    );
  });

  it('finds packets on a line again after any noise', () => {
    const packet = fc.uint8Array({ minLength: 1, maxLength: 64 });
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.array(packet, { minLength: 1, maxLength: 4 }),
        random,
        (noise, packets, next) => {
          const bytes = Buffer.concat([noise, Uint8Array.of(0xc0), ...packets.map((one) => slipEncode(one))]);
          const reader = new SlipReader(64);
          const found = pieces(bytes, next).flatMap((piece) => [...reader.push(piece)]);
          assert.deepEqual(
            found.slice(-packets.length).map((one) => [...one]),
            packets.map((one) => [...one]),
          );
          assert.ok(found.every((one) => one.length <= 64));
        },
      ),
      { numRuns },
    );
  });

  it('keeps a provisioner serving, whatever a host sends', async () => {
    const bench = await LinkBench.make();
    try {
      const { address } = await bench.unix();
      await fc.assert(
        fc.asyncProperty(
          fc.array(request, { minLength: 1, maxLength: 6 }),
          secret,
          random,
          async (requests, seed, next) => {
            const host = await RawHost.connect(address);
            await host.hello();
            if (next(2) === 0) await host.attach();
            for (const { type, params, secret: has } of requests) {
              const frame = encodeFrame(
                { type, id: 100, ...(next(2) === 0 ? params : { params: mutated(params, next) }) },
                has ? seed : undefined,
              );
              if (next(20) === 0) frame[next(frame.length)] = next(256);
              host.socket.write(frame);
            }
            host.socket.end();
            await host.closed;
          },
        ),
        { numRuns: Math.min(numRuns, 2000) },
      );
      const host = await bench.host(address, { takeover: true });
      assert.ok((await host.slots()).length > 0);
      assert.deepEqual(
        bench.events.filter((event) => event.event === 'failed'),
        [],
      );
    } finally {
      await bench.close();
    }
  }).timeout(120_000);
});
