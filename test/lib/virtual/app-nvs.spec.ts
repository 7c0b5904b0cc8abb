import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  buildNvs,
  IDENTITY_LAYOUTS,
  type IdentityLayoutName,
  identityItems,
  makeNvsKeys,
  type NvsContent,
  type NvsEntry,
  type NvsItem,
  type NvsKeys,
  readIdentity,
  readNvs,
} from '../../../lib/esp/index.ts';
import { nodePlatform as platform } from '../../../lib/esp/node.ts';
import { settledEntries, settleIdentity, storeIdentity } from '../../../lib/virtual/app/nvs-identity.ts';
import type { FlashWork } from '../../../lib/virtual/app/nvs-pages.ts';
import { NvsFull, NvsStore } from '../../../lib/virtual/app/nvs-store.ts';
import { FlashMemory } from '../../../lib/virtual/chip/flash.ts';
import { commonName, makeKeys, parts, sample } from '../esp/identity/certificates.ts';

const OFFSET = 0x1000;
const keys = makeNvsKeys(platform);

const closed = (items: readonly NvsItem[]): NvsEntry[] =>
  items.map(({ namespace, key, encoding, value, terminate }) => ({
    namespace,
    key,
    encoding,
    value: terminate === true ? `${String(value)}\0` : String(value),
  }));

/** A flash that counts what is done to it, and loses power where it is told to. */
class Bench {
  readonly memory: FlashMemory;
  readonly size: number;
  readonly keys: NvsKeys | null;
  erased = 0;

  constructor(image: Uint8Array, encryption: NvsKeys | null) {
    const bytes = new Uint8Array(OFFSET + image.length).fill(0xff);
    bytes.set(image, OFFSET);
    this.memory = new FlashMemory(bytes, { timed: false, changed: (_, size) => this.#count(size) });
    this.size = image.length;
    this.keys = encryption;
  }

  store(memory = this.memory): NvsStore {
    return new NvsStore(memory, { offset: OFFSET, size: this.size, keys: this.keys });
  }

  read(): NvsContent {
    const image = this.memory.read(OFFSET, this.size);
    return readNvs(image, { platform, ...(this.keys === null ? {} : { keys: this.keys }) });
  }

  #count(size: number): void {
    if (size === 0x1000) this.erased++;
  }

  copy(): Bench {
    return new Bench(this.memory.read(OFFSET, this.size), this.keys);
  }
}

class PowerCut extends Error {}

/** The same flash, in which operation number `last` comes only as far as `part` of its bytes, and nothing follows. */
function failing(memory: FlashMemory, last: number, part: number): FlashMemory {
  let done = 0;
  const cut = (operation: (share: number) => number): number => {
    if (done > last) throw new PowerCut();
    const share = done++ === last ? part : 1;
    const ms = operation(share);
    if (share < 1) throw new PowerCut();
    return ms;
  };
  return new Proxy(memory, {
    get: (target, name) => {
      if (name === 'program') {
        return (offset: number, data: Uint8Array) =>
          cut((share) => target.program(offset, data.subarray(0, Math.floor(data.length * share))));
      }
      if (name === 'eraseSector') {
        return (offset: number) =>
          cut((share) => {
            if (share === 1) return target.eraseSector(offset);
            target.bytes.fill(0xff, offset, offset + Math.floor(0x1000 * share));
            return 0;
          });
      }
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const run = (work: FlashWork): number => [...work].length;

/** @returns whether it came to its end */
function runTo(work: () => FlashWork): boolean {
  try {
    run(work());
    return true;
  } catch (error) {
    if (error instanceof PowerCut) return false;
    throw error;
  }
}

interface Fresh {
  readonly key: Uint8Array;
  readonly certificate: Uint8Array;
}

function fresh(subject = 'acme:7cdfa1000001'): Fresh {
  const pair = makeKeys();
  const pem = sample.issued({ key: pair.publicKey, subject: commonName(subject) });
  const key = String(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  return { key: Buffer.from(key), certificate: Buffer.from(pem) };
}

const pemIn = (entries: readonly NvsEntry[], layout: IdentityLayoutName, role: 'key' | 'certificate'): string => {
  const names = { scadable: ['key', 'cert'], libscadable: ['device_key', 'device_cert'] } as const;
  const [key, cert] = layout === 'gateway-esp' ? ['key_pem', 'cert_pem'] : names[layout];
  const value = entries.find((entry) => entry.key === (role === 'key' ? key : cert))?.value;
  return (value instanceof Uint8Array ? Buffer.from(value).toString() : String(value)).replace('\0', '');
};

async function bench(layout: IdentityLayoutName, use: NvsKeys | null, size = 0x6000): Promise<Bench> {
  const wifi: NvsEntry = { namespace: 'wifi', key: 'ssid', encoding: 'string', value: 'workshop' };
  const entries = [wifi, ...closed(identityItems(layout, parts(layout)))];
  return new Bench(await buildNvs(entries, { size, platform, ...(use === null ? {} : { keys: use }) }), use);
}

const renew = (store: NvsStore, layout: IdentityLayoutName, next: Fresh): FlashWork =>
  storeIdentity(store, layout, next);

describe('NVS as the application writes it', () => {
  for (const layout of IDENTITY_LAYOUTS) {
    for (const use of [null, keys]) {
      it(`${layout}${use === null ? '' : ', encrypted'}: many renewals, and everything else stays`, async () => {
        const one = await bench(layout, use);
        const store = one.store();
        run(store.mount());
        for (let i = 0; i < (use === null ? 40 : 12); i++) {
          const next = fresh();
          run(renew(store, layout, next));
          const { entries, torn } = one.read();
          assert.deepEqual(torn, []);
          assert.equal(pemIn(entries, layout, 'key'), Buffer.from(next.key).toString());
          assert.equal(pemIn(entries, layout, 'certificate'), Buffer.from(next.certificate).toString());
          assert.deepEqual(readIdentity({ entries }, layout).faults, []);
          assert.equal(entries.find(({ namespace }) => namespace === 'wifi')?.value, 'workshop');
          assert.ok(!entries.some(({ key }) => key === 'next'));
        }
      });
    }
  }

  for (const use of [null, keys]) {
    it(`power lost at any moment leaves the old identity or the new one${use === null ? '' : ', encrypted'}`, async () => {
      const layout = use === null ? 'scadable' : 'libscadable';
      const start = await bench(layout, use, 0x4000);
      // So full that the renewal has to move a page.
      const moves = (): boolean => {
        const trial = start.copy();
        run(renew(trial.store(), layout, fresh()));
        return trial.erased > 0;
      };
      for (const store = start.store(); !moves(); ) run(renew(store, layout, fresh()));
      const old = start.read().entries;
      const next = fresh();
      let [moved, outcomes] = [false, { old: 0, new: 0 }];
      for (let last = 0, whole = false; !whole; last++) {
        for (const part of use === null ? [0, 0.5, 0.97] : [0, 0.5]) {
          const cut = start.copy();
          const torn = cut.store(failing(cut.memory, last, part));
          whole = runTo(function* () {
            yield* torn.mount();
            yield* renew(torn, layout, next);
          });
          const found = cut.read();
          moved ||= found.pages.some(({ state }) => state === 'freeing');
          const now = settledEntries(found.entries, layout);
          assert.deepEqual(readIdentity({ entries: now }, layout).faults, [], `operation ${last}, ${part}`);
          const isNew = pemIn(now, layout, 'key') === Buffer.from(next.key).toString();
          const which = isNew ? Buffer.from(next.certificate).toString() : pemIn(old, layout, 'certificate');
          assert.equal(pemIn(now, layout, 'certificate'), which, `operation ${last}, ${part}`);
          if (!isNew) assert.equal(pemIn(now, layout, 'key'), pemIn(old, layout, 'key'));
          outcomes = { ...outcomes, [isNew ? 'new' : 'old']: outcomes[isNew ? 'new' : 'old'] + 1 };
          // It starts again, and power is lost once more while it puts things right.
          for (let again = 0; again < (use === null ? 6 : 2); again++) {
            const second = cut.copy();
            const half = second.store(failing(second.memory, again, 0.5));
            const ended = runTo(function* () {
              yield* half.mount();
              yield* settleIdentity(half, layout);
            });
            const then = settledEntries(second.read().entries, layout);
            assert.equal(pemIn(then, layout, 'certificate'), which);
            if (ended) break;
          }
          const mended = cut.store();
          run(mended.mount());
          run(settleIdentity(mended, layout));
          const { entries, torn: rest } = cut.read();
          assert.deepEqual(rest, []);
          assert.equal(pemIn(entries, layout, 'certificate'), which);
          assert.ok(!entries.some(({ key }) => key === 'next'));
          run(renew(mended, layout, fresh()));
          assert.deepEqual(readIdentity(cut.read(), layout).faults, []);
        }
      }
      assert.ok(moved, 'no page was moved');
      assert.ok(outcomes.old > 3 && outcomes.new > 3, JSON.stringify(outcomes));
    }).timeout(60_000);
  }

  it('says that there is no room, and keeps what was there', async () => {
    const layout = 'scadable';
    const filler: NvsEntry = { namespace: 'app', key: 'log', encoding: 'blob', value: randomBytes(4200) };
    const entries = [...closed(identityItems(layout, parts(layout))), filler];
    const one = new Bench(await buildNvs(entries, { size: 0x3000, platform }), null);
    const store = one.store();
    run(store.mount());
    const next = fresh();
    const large = { ...next, certificate: Buffer.concat(Array(12).fill(next.certificate)) };
    assert.throws(() => run(renew(store, layout, large)), NvsFull);
    const now = settledEntries(one.read().entries, layout);
    assert.equal(pemIn(now, layout, 'certificate'), sample.certificate);
    run(one.store().mount());
    assert.deepEqual(one.read().torn, []);
  });

  it('begins a blank partition', () => {
    const one = new Bench(new Uint8Array(0x3000).fill(0xff), null);
    const store = one.store();
    run(store.mount());
    run(store.set('app', 'blob', 'blob', new Uint8Array(5000).fill(7)));
    run(store.set('app', 'none', 'blob', new Uint8Array(0)));
    run(store.set('app', 'text', 'string', Buffer.from('hello')));
    run(store.set('app', 'text', 'string', Buffer.from('again')));
    const { entries } = one.read();
    assert.deepEqual(
      entries.map(({ key, value }) => [key, value instanceof Uint8Array ? value.length : value]),
      [
        ['blob', 5000],
        ['none', 0],
        ['text', 'again'],
      ],
    );
    assert.equal(store.blob('app', 'blob')?.length, 5000);
    run(store.remove('app', 'blob'));
    assert.equal(store.blob('app', 'blob'), undefined);
    assert.deepEqual(one.read().torn, []);
  });
});
