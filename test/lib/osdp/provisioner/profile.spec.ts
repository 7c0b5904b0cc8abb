import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { KeywayError } from '../../../../lib/errors/index.ts';
import {
  BAUD_RATES,
  checkProfile,
  checkSteps,
  EXPECTED_CAPABILITIES,
  expandProfile,
  formatProfile,
  missingCapabilities,
  PROFILE_DEFAULTS,
  type ProvisioningProfile,
  parseProfile,
  secureBelow,
  termsOf,
} from '../../../../lib/osdp/index.ts';
import { FUZZ_RUNS } from '../../esp/formats/fuzz.ts';

const RUNS = Math.min(FUZZ_RUNS, 20_000);
const LEAST = { name: 'doors', count: 3 };

function refused(work: () => unknown, code: string, field?: string): KeywayError {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof KeywayError, String(error));
    assert.equal(error.code, code, error.message);
    if (field !== undefined) assert.equal(error.detail?.field, field, error.message);
    return error;
  }
  assert.fail(`not refused; ${code} was expected`);
}

/** Every legal profile, as somebody may write it: fields are left out at random. */
const legal = fc
  .record({
    strategy: fc.constantFrom('sequential', 'random', 'manual'),
    start: fc.integer({ min: 0, max: 126 }),
    size: fc.integer({ min: 1, max: 126 }),
    list: fc.uniqueArray(fc.integer({ min: 0, max: 126 }), { minLength: 1, maxLength: 126 }),
    serials: fc.uniqueArray(fc.integer({ min: 0, max: 0xffff_ffff }), { minLength: 126, maxLength: 126 }),
    withSerials: fc.boolean(),
    more: fc.record(
      {
        name: fc.constantFrom('doors', 'Nord 3. OG', 'ä'),
        baudRate: fc.constantFrom(...BAUD_RATES),
        capabilities: fc.subarray([...EXPECTED_CAPABILITIES]),
        timeoutMs: fc.integer({ min: 0, max: 600_000 }),
        autoVerify: fc.boolean(),
        autonomous: fc.boolean(),
        armingHours: fc.double({ min: 0.01, max: 168, noNaN: true }),
        bus: fc.constantFrom('single', 'multi'),
        factory: fc.record(
          { address: fc.integer({ min: 0, max: 126 }), baudRate: fc.constantFrom(...BAUD_RATES) },
          { requiredKeys: [] },
        ),
      },
      { requiredKeys: ['name'] },
    ),
  })
  .map(({ strategy, start, size, list, serials, withSerials, more }) => {
    const count = strategy === 'manual' ? list.length : Math.min(size, 127 - start);
    const place = strategy === 'manual' ? { addresses: list } : { count, startAddress: start };
    const names = serials.slice(0, count).map((one) => one.toString(16).padStart(8, '0'));
    return { strategy, ...place, ...more, ...(withSerials ? { serials: names } : {}) };
  });

describe('the provisioning profile', () => {
  it('fills in what is left out, and gives the same whole form whatever was said', () => {
    const { profile, warnings } = checkProfile(LEAST);
    assert.deepEqual(profile, {
      kind: 'keyway-provisioning-profile',
      version: 1,
      ...LEAST,
      ...PROFILE_DEFAULTS,
    });
    assert.deepEqual(warnings, []);
    assert.deepEqual(checkProfile(profile).profile, profile);
    assert.ok(Object.isFrozen(profile) && Object.isFrozen(profile.serials) && Object.isFrozen(profile.factory));
  });

  const bad: [string, unknown, string][] = [
    ['no count', { name: 'x' }, 'count'],
    ['an empty count', { ...LEAST, count: 0 }, 'count'],
    ['too many', { ...LEAST, count: 127 }, 'count'],
    ['half a reader', { ...LEAST, count: 1.5 }, 'count'],
    ['a count as text', { ...LEAST, count: '3' }, 'count'],
    ['null', { ...LEAST, count: null }, 'count'],
    ['a start at 127', { ...LEAST, startAddress: 127 }, 'startAddress'],
    ['a start below 0', { ...LEAST, startAddress: -1 }, 'startAddress'],
    ['a row past 126', { ...LEAST, startAddress: 125 }, 'count'],
    ['a draw from too few', { ...LEAST, strategy: 'random', startAddress: 125 }, 'count'],
    ['no name', { count: 1 }, 'name'],
    ['a blank name', { name: '  ', count: 1 }, 'name'],
    ['a long name', { name: 'x'.repeat(65), count: 1 }, 'name'],
    ['a name over two lines', { name: 'a\nb', count: 1 }, 'name'],
    ['a name with U+2028', { name: 'a\u2028b', count: 1 }, 'name'],
    ['an unknown strategy', { ...LEAST, strategy: 'best' }, 'strategy'],
    ['an unknown baud', { ...LEAST, baudRate: 14400 }, 'baudRate'],
    ['a baud as text', { ...LEAST, baudRate: '9600' }, 'baudRate'],
    ['an unknown capability', { ...LEAST, capabilities: ['led', 'radio'] }, 'capabilities[1]'],
    ['an inherited word as capability', { ...LEAST, capabilities: ['toString'] }, 'capabilities[0]'],
    ['a capability twice', { ...LEAST, capabilities: ['led', 'led'] }, 'capabilities[1]'],
    ['capabilities as text', { ...LEAST, capabilities: 'led' }, 'capabilities'],
    ['a time below 0', { ...LEAST, timeoutMs: -1 }, 'timeoutMs'],
    ['a time of an hour', { ...LEAST, timeoutMs: 3_600_000 }, 'timeoutMs'],
    ['a flag as text', { ...LEAST, autoVerify: 'true' }, 'autoVerify'],
    ['no arming window', { ...LEAST, armingHours: 0 }, 'armingHours'],
    ['an endless window', { ...LEAST, armingHours: Number.POSITIVE_INFINITY }, 'armingHours'],
    ['an unknown bus', { ...LEAST, bus: 'ring' }, 'bus'],
    ['the factory at 127', { ...LEAST, factory: { address: 127 } }, 'factory.address'],
    ['the factory at an unknown rate', { ...LEAST, factory: { baudRate: 1 } }, 'factory.baudRate'],
    ['more of the factory', { ...LEAST, factory: { key: 'x' } }, 'factory.key'],
    ['the factory as a list', { ...LEAST, factory: [] }, 'factory'],
    ['addresses beside a row', { ...LEAST, addresses: [1, 2, 3] }, 'addresses'],
    ['an empty list', { name: 'x', strategy: 'manual' }, 'addresses'],
    ['127 in the list', { name: 'x', strategy: 'manual', addresses: [1, 127] }, 'addresses[1]'],
    ['an address as text', { name: 'x', strategy: 'manual', addresses: ['1'] }, 'addresses[0]'],
    ['an address twice', { name: 'x', strategy: 'manual', addresses: [5, 6, 5] }, 'addresses[2]'],
    [
      '127 of them',
      { name: 'x', strategy: 'manual', addresses: Array.from({ length: 127 }, (_, i) => i) },
      'addresses',
    ],
    ['another count than the list', { name: 'x', strategy: 'manual', addresses: [1, 2], count: 3 }, 'count'],
    ['a short list of serials', { ...LEAST, serials: ['01020304'] }, 'serials'],
    ['a serial of nine digits', { ...LEAST, serials: ['', '010203040', ''] }, 'serials[1]'],
    ['a serial as number', { ...LEAST, serials: ['', 1, ''] }, 'serials[1]'],
    ['a serial twice', { ...LEAST, serials: ['0102030A', '', '0102030a'] }, 'serials[2]'],
    ['a version below', { ...LEAST, version: 0 }, 'version'],
    ['a version as text', { ...LEAST, version: '2' }, 'version'],
  ];
  for (const [what, input, field] of bad) {
    it(`refuses ${what}`, () => void refused(() => checkProfile(input), 'BAD_PROFILE_FIELD', field));
  }

  it('refuses what is no profile, and one from a later release', () => {
    for (const input of [undefined, null, 7, 'x', [], new Uint8Array(2)]) {
      refused(() => checkProfile(input), 'BAD_PROFILE', 'profile');
    }
    refused(() => checkProfile({ ...LEAST, kind: 'osprio-provisioned-scbks' }), 'BAD_PROFILE', 'kind');
    refused(() => checkProfile({ ...LEAST, version: 2 }), 'PROFILE_TOO_NEW', 'version');
    // What a later release has added is not called wrong.
    refused(() => checkProfile({ version: 9, doors: [] }), 'PROFILE_TOO_NEW');
  });

  it('refuses a field that no profile has, and does not repeat what is in it', () => {
    const seed = '8f1c44e2075b93d8216abe05f73c904d';
    const error = refused(() => formatProfile({ ...LEAST, seed }), 'BAD_PROFILE_FIELD', 'seed');
    assert.doesNotMatch(JSON.stringify([error.message, error.hint, error.detail]), /8f1c/);
    refused(
      () => parseProfile(`{"kind":"keyway-provisioning-profile","version":1,"__proto__":{}}`),
      'BAD_PROFILE_FIELD',
    );
  });

  it('warns of the factory address where others are on the wires, and of a short time', () => {
    const codes = (input: object) => checkProfile({ ...LEAST, ...input }).warnings.map(({ code }) => code);
    assert.deepEqual(codes({ startAddress: 0 }), ['FACTORY_ADDRESS']);
    assert.deepEqual(codes({ startAddress: 0, strategy: 'random' }), ['FACTORY_ADDRESS']);
    assert.deepEqual(codes({ strategy: 'manual', addresses: [4, 0, 2] }), ['FACTORY_ADDRESS']);
    assert.deepEqual(codes({ factory: { address: 4 } }), []);
    assert.deepEqual(codes({ factory: { address: 4 }, strategy: 'random' }), ['FACTORY_ADDRESS']);
    assert.deepEqual(codes({ startAddress: 0, bus: 'single' }), []);
    assert.deepEqual(codes({ timeoutMs: 2999 }), ['SHORT_TIMEOUT']);
    assert.deepEqual(codes({ timeoutMs: 3000 }), []);
  });
});

describe('the steps of a profile', () => {
  const steps = (input: object, random?: (below: number) => number) =>
    expandProfile(checkProfile(input).profile, random).map(({ address }) => address);

  it('count up, are drawn, or are as listed', () => {
    assert.deepEqual(steps({ name: 'x', count: 3, startAddress: 124 }), [124, 125, 126]);
    assert.deepEqual(steps({ name: 'x', strategy: 'manual', addresses: [9, 3, 7] }), [9, 3, 7]);
    assert.deepEqual(
      steps({ ...LEAST, strategy: 'random', startAddress: 10 }, () => 0),
      [10, 11, 12],
    );
    assert.deepEqual(
      steps({ ...LEAST, strategy: 'random', startAddress: 10 }, (below) => below - 1),
      [126, 125, 124],
    );
  });

  it('do the reader that gets the factory address last, with the serial that belongs to it', () => {
    const input = { name: 'x', strategy: 'manual', addresses: [0, 5, 6], serials: ['0000000a', '', '0000000b'] };
    assert.deepEqual(expandProfile(checkProfile(input).profile), [
      { address: 5, baudRate: 9600 },
      { address: 6, baudRate: 9600, serial: '0000000B' },
      { address: 0, baudRate: 9600, serial: '0000000A' },
    ]);
    assert.deepEqual(steps({ ...input, bus: 'single' }), [0, 5, 6]);
  });

  it('have each address once, all of them legal, whatever the profile (property)', () => {
    fc.assert(
      fc.property(legal, (input) => {
        const { profile } = checkProfile(input);
        const made = expandProfile(profile);
        const addresses = made.map(({ address }) => address);
        assert.equal(made.length, profile.count);
        assert.equal(new Set(addresses).size, profile.count);
        assert.ok(addresses.every((one) => one >= profile.startAddress || profile.strategy === 'manual'));
        assert.ok(addresses.every((one) => Number.isInteger(one) && one >= 0 && one <= 126));
        assert.ok(made.every(({ baudRate }) => baudRate === profile.baudRate));
        const wanted = profile.serials.filter((serial) => serial !== '');
        assert.deepEqual(made.flatMap(({ serial = '' }) => serial || []).sort(), [...wanted].sort());
        const at = addresses.indexOf(profile.factory.address);
        if (profile.bus === 'multi' && at >= 0) assert.equal(at, made.length - 1);
        const { name, bus, factory, capabilities, timeoutMs, autoVerify, autonomous, armingHours } = profile;
        const terms = { name, bus, factory, capabilities, timeoutMs, autoVerify, autonomous, armingHours };
        assert.deepEqual(termsOf(profile), terms);
      }),
      { numRuns: Math.min(RUNS, 500) },
    );
  });

  it('are drawn evenly: every number below the limit comes, none else', () => {
    for (const below of [1, 2, 3, 127, 255, 256]) {
      const seen = new Set(Array.from({ length: 40 * below }, () => secureBelow(below)));
      assert.ok([...seen].every((one) => Number.isInteger(one) && one >= 0 && one < below));
      // All of them but with odds of one in 10¹⁴.
      assert.equal(seen.size, below);
    }
  });
});

describe('steps that were reviewed', () => {
  it('are taken as they are left, and in their normal form', () => {
    const { profile } = checkProfile({ ...LEAST, serials: ['', '0000000a', ''] });
    const made = expandProfile(profile);
    assert.deepEqual(checkSteps(made), made);
    assert.deepEqual(checkSteps([{ address: 0, baudRate: 9600, serial: '0000000a' }]), [
      { address: 0, baudRate: 9600, serial: '0000000A' },
    ]);
    assert.deepEqual(checkSteps([{ address: 0, baudRate: 9600, serial: '' }]), [{ address: 0, baudRate: 9600 }]);
  });

  const one = { address: 1, baudRate: 9600 };
  const wrong: [string, unknown, string][] = [
    ['none', [], 'steps'],
    ['no list', {}, 'steps'],
    ['too many', Array.from({ length: 127 }, (_, address) => ({ ...one, address })), 'steps'],
    ['a number', [one, 4], 'steps[1]'],
    ['no address', [{ baudRate: 9600 }], 'steps[0].address'],
    ['address 127', [{ ...one, address: 127 }], 'steps[0].address'],
    ['an address twice', [one, one], 'steps[1].address'],
    ['no rate', [{ address: 1 }], 'steps[0].baudRate'],
    ['another rate', [{ address: 1, baudRate: 300 }], 'steps[0].baudRate'],
    ['a short serial', [{ ...one, serial: 'A' }], 'steps[0].serial'],
    [
      'a serial twice',
      [
        { ...one, serial: '0000000a' },
        { ...one, address: 2, serial: '0000000A' },
      ],
      'steps[1].serial',
    ],
    ['a key', [{ ...one, scbk: 'x' }], 'steps[0].scbk'],
  ];
  for (const [what, input, field] of wrong) {
    it(`are refused with ${what}`, () => void refused(() => checkSteps(input), 'BAD_PROFILE_FIELD', field));
  }
});

describe('the capabilities a profile may expect', () => {
  const pdcap = [
    { function: 4, compliance: 1, count: 1 },
    { function: 5, compliance: 0, count: 1 },
    { function: 8, compliance: 2, count: 0 },
    { function: 9, compliance: 1, count: 1 },
  ];
  it('are compared with what the reader shows', () => {
    assert.deepEqual(missingCapabilities(['led', 'secure-channel'], pdcap), []);
    assert.deepEqual(missingCapabilities(['led', 'audible', 'crc', 'text'], pdcap), ['audible', 'crc', 'text']);
    assert.deepEqual(missingCapabilities(['led', 'radio'], pdcap), ['radio']);
    assert.deepEqual(missingCapabilities(['led'], undefined), ['led']);
    assert.deepEqual(missingCapabilities([], undefined), []);
  });
});

describe('the JSON of a profile', () => {
  it('says the same when it is read again (property)', () => {
    fc.assert(
      fc.property(legal, (input) => {
        const { profile } = checkProfile(input);
        assert.deepEqual(parseProfile(formatProfile(profile)), checkProfile(input));
        assert.equal(formatProfile(parseProfile(formatProfile(input)).profile), formatProfile(profile));
      }),
      { numRuns: Math.min(RUNS, 500) },
    );
  });

  it('looks as it is documented', () => {
    assert.equal(
      formatProfile({ name: 'x', strategy: 'manual', addresses: [2], serials: ['0000000a'] }),
      `${JSON.stringify(
        {
          kind: 'keyway-provisioning-profile',
          version: 1,
          name: 'x',
          count: 1,
          strategy: 'manual',
          addresses: [2],
          baudRate: 9600,
          capabilities: [],
          timeoutMs: 0,
          autoVerify: true,
          autonomous: false,
          armingHours: 8,
          bus: 'multi',
          factory: { address: 0, baudRate: 9600 },
          serials: ['0000000A'],
        },
        null,
        2,
      )}\n`,
    );
  });

  it('is documented with an example that is read, and a schema that names all that may be said', () => {
    const page = readFileSync(new URL('../../../../docs/provisioning-profile.md', import.meta.url), 'utf8');
    const [example = '', schema = ''] = [...page.matchAll(/```json\n(.*?)```/gs)].map(([, json]) => json);
    const { profile, warnings } = parseProfile(example);
    assert.deepEqual(warnings, []);
    const { properties } = JSON.parse(schema) as { properties: Record<string, Record<string, unknown>> };
    assert.deepEqual(Object.keys(properties).sort(), Object.keys(profile).sort());
    assert.deepEqual(properties.capabilities?.items, { enum: EXPECTED_CAPABILITIES });
    assert.deepEqual(
      properties.baudRate?.enum,
      [...BAUD_RATES].sort((a, b) => a - b),
    );
    for (const word of EXPECTED_CAPABILITIES) assert.match(page, new RegExp(`^\\| \`${word}\` \\|`, 'm'));
    for (const name of Object.keys(profile)) assert.match(page, new RegExp(`^\\| \`${name}\` \\|`, 'm'));
  });

  it('must say what it is, and be JSON; its content is not repeated', () => {
    const text = formatProfile(LEAST);
    assert.equal(parseProfile(`\uFEFF${text}`).profile.name, 'doors');
    const error = refused(() => parseProfile('{"seed":"8f1c'), 'BAD_PROFILE', 'profile');
    assert.doesNotMatch(JSON.stringify([error.message, error.hint, String(error.cause)]), /8f1c/);
    for (const other of ['[]', 'null', '{}', '3', JSON.stringify(LEAST), text.replace('"version": 1,', '')]) {
      refused(() => parseProfile(other), 'BAD_PROFILE', 'kind');
    }
    refused(() => parseProfile(text.replace('"version": 1', '"version": 2')), 'PROFILE_TOO_NEW');
    refused(() => parseProfile(`${text}${' '.repeat(65_536)}`), 'BAD_PROFILE', 'profile');
  });

  it('is read or refused with a code, however it is damaged (fuzz)', () => {
    const scraps = [
      'null',
      '127',
      '-1',
      '1e9',
      '[]',
      '{}',
      '"x"',
      'true',
      '"version":2',
      ',',
      '}',
      '[0,0]',
      '"\\u0000"',
    ];
    let read = 0;
    fc.assert(
      fc.property(
        legal,
        fc.array(fc.tuple(fc.double({ min: 0, max: 0.999 }), fc.nat(3), fc.constantFrom(...scraps)), { maxLength: 3 }),
        (input, changes) => {
          let text = formatProfile(input);
          for (const [place, kind, scrap] of changes) {
            // Half of the changes put a value where a value was, so that the JSON stays whole.
            const values = [...text.matchAll(/(?<=: )(?:"[^"\n]*"|[\d.]+|true|false|\[[^\]]*\])/g)];
            const value = values[Math.floor(place * values.length)];
            const at = Math.floor(place * text.length);
            if (kind < 2 && value)
              text = text.slice(0, value.index) + scrap + text.slice(value.index + value[0].length);
            else if (kind === 2) text = text.slice(0, at) + scrap + text.slice(at);
            else text = text.slice(0, at) + text.slice(at + 3);
          }
          let profile: ProvisioningProfile;
          try {
            ({ profile } = parseProfile(text));
          } catch (error) {
            assert.ok(error instanceof KeywayError, String(error));
            assert.match(error.code, /^(BAD_PROFILE|BAD_PROFILE_FIELD|PROFILE_TOO_NEW)$/);
            return;
          }
          read++;
          assert.equal(expandProfile(profile).length, profile.count);
          assert.deepEqual(parseProfile(formatProfile(profile)).profile, profile);
        },
      ),
      { numRuns: RUNS },
    );
    assert.ok(read > RUNS / 20, `${read} of ${RUNS} were read: the fuzz does not get past the door`);
  }).timeout(60_000 + RUNS);
});
