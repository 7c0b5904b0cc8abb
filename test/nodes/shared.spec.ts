import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { parseSize } from '../../nodes/shared/evaluate.ts';
import { isForeign, isNear } from '../../nodes/shared/http.ts';
import { type Migration, migrate } from '../../nodes/shared/migrate.ts';
import { progressText, Throttle } from '../../nodes/shared/progress.ts';
import { StatusLine, shorten } from '../../nodes/shared/status.ts';
import type { RedNode } from '../../nodes/shared/types.ts';
import { HandTiming } from './hand-timing.ts';

const progress = { phase: 'write', done: 43, total: 100, unit: 'B', rate: 92_400, secondsLeft: 1 } as const;
const types = readdirSync(new URL('../../nodes', import.meta.url)).filter((name) => name.startsWith('keyway-'));

describe('what the nodes share', () => {
  it('progress comes at most four times a second, the newest last, and none after the end', () => {
    const timing = new HandTiming();
    const told: number[] = [];
    const throttle = new Throttle<number>((value) => told.push(value), 250, timing);
    for (let n = 0; n < 100; n++) {
      throttle.push(n);
      timing.move(10);
    }
    assert.deepEqual(told, [0, 24, 49, 74, 99]);
    throttle.push(100);
    throttle.stop();
    timing.move(1000);
    assert.equal(told.length, 5);
    throttle.push(101);
    assert.equal(told.at(-1), 101);
  });

  it('progress reads as a percentage and a rate, or as the word of its phase', () => {
    const word = (phase: string): string => `<${phase}>`;
    assert.equal(progressText(progress, word), '43 % · 92 kB/s');
    assert.equal(progressText({ ...progress, rate: null }, word), '43 %');
    assert.equal(progressText({ ...progress, phase: 'connect', unit: 'steps' }, word), '<connect>');
    assert.equal(progressText({ ...progress, total: 0 }, word), '<write>');
  });

  it('a status shows the one job, the number of several, and how the last one ended', () => {
    const shown: string[] = [];
    const node = {
      status: (status: { fill?: string; shape?: string; text?: string }) => {
        shown.push(`${status.fill ?? ''} ${status.shape ?? ''} ${status.text ?? ''}`.trim());
      },
    } as unknown as RedNode;
    const line = new StatusLine(node, (count) => `${count} jobs`);
    line.set('green', 'dot', 'listening');
    line.working('a', 'one');
    line.working('b', 'two');
    line.waiting('b', 'waiting');
    line.failed('a', 'BUSY');
    line.ended('b');
    line.working('c', 'a text that is far too long for it');
    line.ok('c', 'ok');
    assert.deepEqual(shown, [
      '',
      'green dot listening',
      'blue ring one',
      'blue ring 2 jobs',
      'yellow ring waiting',
      'green dot listening',
      'blue ring a text that is far…',
      'green dot ok',
    ]);
    assert.ok(shorten('x'.repeat(40)).length < 20);
  });

  it('sizes are decimal, hexadecimal, or with a unit', () => {
    const sizes = {
      '4096': 4096,
      '0x1000': 4096,
      '4K': 4096,
      '64 KB': 65536,
      '4MB': 4 << 20,
      '2MiB': 2 << 20,
      '12 b': 12,
    };
    for (const [text, size] of Object.entries(sizes)) assert.equal(parseSize(text), size, text);
    for (const text of ['', '-1', '1.5', '4 G', '0x', 'K', '1e3', '0x10K'])
      assert.ok(Number.isNaN(parseSize(text)), text);
  });

  it('an older node is brought up step by step, a newer one left alone', () => {
    const steps: Migration[] = [
      ({ speed, ...rest }) => ({ ...rest, baudRate: speed }),
      (saved) => ({ ...saved, baudRate: `${String(saved.baudRate)}00` }),
    ];
    const defaults = { baudRate: '115200', name: '', version: 3 };
    assert.deepEqual(migrate({ speed: '96' }, defaults, steps), { baudRate: '9600', name: '', version: 3 });
    assert.deepEqual(migrate({ baudRate: '96', version: 2 }, defaults, steps), {
      baudRate: '9600',
      name: '',
      version: 3,
    });
    const newer = { baudRate: '1', name: 'n', version: 9, more: true };
    assert.deepEqual(migrate(newer, defaults, steps), newer);
    assert.deepEqual(migrate({ version: 3, baudRate: '' }, defaults, steps), { baudRate: '', name: '', version: 3 });
  });

  it('a request is foreign by its Origin, and by its Host where there is no login', () => {
    const ask = (headers: Record<string, string>, localAddress = '127.0.0.1') => ({
      headers,
      socket: { localAddress },
    });
    assert.equal(isForeign(ask({ host: 'localhost:1880' }), false), false);
    assert.equal(isForeign(ask({ host: '[::1]:1880' }, '::1'), false), false);
    assert.equal(isForeign(ask({ host: 'bench.example:1880' }, '10.0.0.7'), false), false);
    assert.equal(isForeign(ask({ host: 'bench.example:1880' }), false), true);
    assert.equal(isForeign(ask({ host: 'bench.example' }, '::ffff:127.0.0.1'), true), false);
    const proxied = { host: '127.0.0.1:1880', 'x-forwarded-host': 'bench.example', origin: 'https://bench.example' };
    assert.equal(isForeign(ask(proxied), true), false);
    assert.equal(isForeign(ask({ ...proxied, origin: 'https://evil.example' }), true), true);
    assert.equal(isForeign(ask({ host: 'localhost:1880', origin: 'null' }), true), true);
    assert.equal(isForeign(ask({}), true), true);
  });

  it('a request is near when it comes from this machine', () => {
    const from = (remoteAddress?: string): boolean => isNear({ headers: {}, socket: { remoteAddress } });
    assert.deepEqual(['127.0.0.1', '::1', '::ffff:127.0.0.1'].map(from), [true, true, true]);
    assert.deepEqual(['10.0.0.7', '::ffff:10.0.0.7', 'fe80::1', undefined].map(from), [false, false, false, false]);
  });
});

describe('both halves of each node', () => {
  for (const type of types) {
    it(`${type} saves the same properties with the same defaults`, async () => {
      const config = (await import(`../../nodes/${type}/config.ts`)) as {
        defaults: Record<string, unknown>;
        migrations?: readonly Migration[];
      };
      const { defaults } = config;
      const editor = readFileSync(new URL(`../../nodes/${type}/${type}.editor.ts`, import.meta.url), 'utf8');
      const saved = [...editor.matchAll(/^ {4}(\w+): \{ value: (.*?)(?:, (?:type|validate): .*)? \},$/gm)].map(
        ([, key, value]) => [key, JSON.parse((value ?? '').replaceAll("'", '"'))],
      );
      assert.deepEqual(Object.fromEntries(saved), defaults);
      assert.deepEqual(migrate({ version: defaults.version }, defaults, config.migrations), defaults);
      const form = readFileSync(new URL(`../../nodes/${type}/${type}.editor.html`, import.meta.url), 'utf8');
      // A table is filled by its own code.
      const inDialog = Object.keys(defaults).filter((key) => key !== 'version' && !Array.isArray(defaults[key]));
      const missing = inDialog.filter((key) => !new RegExp(`id="node-(config-)?input-${key}"`).test(form));
      assert.deepEqual(missing, []);
    });
  }
});
