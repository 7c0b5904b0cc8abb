import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import type { NodeRed } from '../support/node-red.ts';

type Scenario = (red: NodeRed) => Promise<void>;

interface Row {
  slot: number | 'live';
  step: number;
  address: number;
  baud: number;
  state: string;
  attempts: number;
  outcome: string;
  text: string;
  left: number;
}

interface Slot {
  number: number | 'live';
  state: string;
  session: string;
  total: number;
  provisioned: number;
  failed: number;
  skipped: number;
  exported: boolean;
}

/** Keys that the examples exported: they may be in their files and nowhere else. */
export const exportedKeys: string[] = [];

const includes = (text: string) => (value: unknown) => JSON.stringify(value).includes(text);
const at = (address: number) => (value: unknown) => (value as Row).address === address;
const counts = ({ state, total, provisioned, failed, skipped }: Slot) => [state, total, provisioned, failed, skipped];

/** The rows of an exported CSV, after looking at how it lies there. */
function csvOf({ file }: { file: string }): string[][] {
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const [header, ...rows] = readFileSync(file, 'utf8').trim().split(/\r?\n/);
  assert.equal(header, 'pd_address,baudrate,scbk');
  const cells = rows.map((row) => row.split(','));
  for (const [, , key = ''] of cells) {
    assert.match(key, /^[0-9A-F]{32}$/i);
    exportedKeys.push(key);
  }
  assert.equal(new Set(cells.map(([, , key]) => key)).size, cells.length);
  return cells;
}

/** Every row that a debug node of that name showed, by address, last one first. */
function rowsOf(red: NodeRed, name: string): Row[] {
  return red.debug.filter((entry) => entry.name === name).map((entry) => entry.value as Row);
}

/** Those of examples/flows/06-provisioner, and its dashboard, as scenarios.ts has them. */
export const provisionerScenarios: Record<string, Scenario> = {
  '06-provisioner/Live queue of three readers.json': async (red) => {
    for (const address of [11, 12, 13]) {
      await red.press(`Address ${address}`);
      const row = (await red.shown('commissioned', at(address))) as Row;
      assert.deepEqual([row.slot, row.outcome, row.attempts], ['live', 'ok', 1]);
    }
    await red.shown('its stages', includes('"unit":"stages"'));
    await red.press('Nobody is connected');
    assert.equal(((await red.shown('no reader')) as Row).outcome, 'no_response');
    await red.status('commission nobody', ({ fill, text }) => fill === 'red' && text === 'no_response');
    await red.press('Address 127');
    await red.shown('no such address', includes('127'));
    await red.press('Export too early');
    await red.shown('it is not closed yet');
    await red.press('Close the queue');
    assert.deepEqual(counts((await red.shown('the queue')) as Slot), ['complete', 4, 3, 1, 0]);
    await red.press('Export its keys');
    const rows = csvOf((await red.shown('where they are')) as { file: string });
    assert.deepEqual(
      rows.map(([address, baud]) => [address, baud]),
      [
        ['11', '9600'],
        ['12', '9600'],
        ['13', '9600'],
      ],
    );
    await red.press('Delete the queue');
    await red.shown('it is gone');
  },

  '06-provisioner/Sequential batch of twelve.json': async (red) => {
    await red.press('Start the batch');
    const plan = (await red.shown('the plan')) as { steps: Row[] };
    assert.deepEqual(
      plan.steps.map(({ address }) => address),
      Array.from({ length: 12 }, (_, i) => i + 1),
    );
    const slot = (await red.shown('all are done', () => true, 60_000)) as Slot;
    assert.deepEqual(counts(slot), ['complete', 12, 12, 0, 0]);
    const done = rowsOf(red, 'a reader is done');
    assert.deepEqual(
      done.map(({ address, outcome, attempts }) => [address, outcome, attempts]),
      plan.steps.map(({ address }) => [address, 'ok', 1]),
    );
    await red.status('progress of the slot', ({ fill, text }) => fill === 'green' && text.includes('12'));
    await red.press('Write another plan into slot 1');
    await red.shown('it holds a plan');
    await red.press('Delete slot 1');
    await red.shown('slot 1 is empty');
  },

  '06-provisioner/Addresses by hand.json': async (red) => {
    await red.press('Commission the list');
    await red.shown('the plan', includes('"address":23'));
    const slot = (await red.shown('all have their address')) as Slot;
    assert.deepEqual(counts(slot), ['complete', 3, 3, 0, 0]);
    assert.deepEqual(
      rowsOf(red, 'this reader').map(({ address, baud, outcome }) => [address, baud, outcome]),
      [4, 9, 23].map((address) => [address, 38400, 'ok']),
    );
    await red.press('The same address twice');
    await red.shown('this is wrong', includes('4'));
    await red.press('Address 127 in it');
    await red.shown('this is wrong', includes('127'));
  },

  '06-provisioner/Random addresses.json': async (red) => {
    await red.press('Commission them');
    await red.shown('draw first');
    await red.press('Draw five addresses');
    const { steps } = (await red.shown('the plan')) as { steps: Row[] };
    const drawn = steps.map(({ address }) => address);
    assert.equal(new Set(drawn).size, 5);
    assert.ok(
      drawn.every((address) => address >= 20 && address <= 126),
      String(drawn),
    );
    await red.press('Commission them');
    const slot = (await red.shown('all have their address')) as Slot;
    assert.deepEqual(counts(slot), ['complete', 5, 5, 0, 0]);
    assert.deepEqual(
      rowsOf(red, 'this reader').map(({ address }) => address),
      drawn,
    );
  },

  '06-provisioner/Profile from JSON.json': async (red) => {
    await red.press('Import the profile');
    await red.shown('the slot', includes('"total":2'));
    await red.press('Commission both');
    const slot = (await red.shown('both are done')) as Slot;
    assert.deepEqual(counts(slot), ['complete', 2, 2, 0, 0]);
    assert.deepEqual(
      rowsOf(red, 'this reader').map(({ address, baud }) => [address, baud]),
      [
        [30, 19200],
        [31, 19200],
      ],
    );
    await red.press('One of a newer version');
    await red.shown('too new', includes('99'));
    await red.press('One with a key in it');
    await red.shown('no such field', includes('seed'));
  },

  '06-provisioner/Every outcome, and what to do.json': async (red) => {
    await red.press('Meet them all');
    const slot = (await red.shown('the slot is complete', () => true, 80_000)) as Slot;
    const outcomes = new Map<number, string[]>();
    for (const { address, outcome } of rowsOf(red, 'the outcome')) {
      outcomes.set(address, [...(outcomes.get(address) ?? []), outcome]);
    }
    assert.deepEqual(Object.fromEntries(outcomes), {
      1: ['no_response', 'ok'],
      2: ['scbk_rejected', 'ok'],
      3: ['wrong_address'],
      4: ['baud_mismatch'],
      5: ['keyset_failed'],
      6: ['install_mode_open'],
      7: ['sc_verify_failed'],
      8: ['sc_unsupported'],
      9: ['comset_refused'],
      10: ['ok'],
    });
    assert.deepEqual(counts(slot), ['complete', 10, 3, 0, 7]);
  },

  '06-provisioner/Leave it working, and come back.json': async (red) => {
    await red.press('Write the slot');
    await red.shown('written', includes('"state":"ready"'));
    await red.press('Leave it');
    await red.shown('it works alone');
    for (const [left, outcome] of [
      [2, 'alone-3] slot-01, address 1: ok at attempt 1'],
      [1, 'alone-3] slot-01, address 2: ok at attempt 1'],
      [0, 'alone-3] slot-01, address 3: sc_unsupported at attempt 1'],
    ] as const) {
      await red.press('Connect a reader');
      await red.shown('connected', includes(`"left":${left}`));
      // Nobody is attached: only the log of the provisioner says what it does.
      await red.until(outcome, () => red.log.includes(outcome));
    }
    assert.deepEqual(rowsOf(red, 'while I watched'), []);
    await red.press('Come back');
    const [slot] = (await red.shown('the slots')) as [Slot];
    assert.deepEqual([slot.state, slot.provisioned, slot.failed], ['ready', 2, 1]);
    const away = () => rowsOf(red, 'while I was away');
    await red.until('every reader was told of', () => away().length >= 3);
    assert.deepEqual(
      away().map(({ address, outcome, attempts }) => [address, outcome, attempts]),
      [
        [1, 'ok', 1],
        [2, 'ok', 1],
        [3, 'sc_unsupported', 1],
      ],
    );
    assert.deepEqual(rowsOf(red, 'while I watched'), []);
    await red.press('Skip the bad one');
    assert.deepEqual(counts((await red.shown('the slot now')) as Slot), ['complete', 3, 2, 0, 1]);
  },

  '06-provisioner/Delete a slot.json': async (red) => {
    await red.press('Delete slot 1');
    await red.shown('nothing to delete');
    await red.press('Write a slot');
    await red.shown('written', includes('"state":"ready"'));
    await red.press('Delete slot 1');
    await red.shown('it is empty', includes('"state":"empty"'));

    red.forget();
    await red.press('Write a slot');
    await red.shown('written');
    await red.press('Key a reader');
    assert.equal(((await red.shown('keyed')) as Row).outcome, 'ok');
    await red.press('Delete slot 1');
    await red.shown('name its session');
    await red.press('Export slot 1');
    csvOf((await red.shown('exported')) as { file: string });
    await red.press('Delete slot 1');
    await red.shown('it is empty', includes('"state":"empty"'));

    red.forget();
    await red.press('Write another');
    await red.shown('written');
    await red.press('Key a reader');
    assert.equal(((await red.shown('keyed')) as Row).outcome, 'ok');
    await red.press('Delete slot 1');
    await red.shown('name its session');
    await red.press('Delete it, session named');
    await red.shown('deleted, keys lost', includes('"state":"empty"'));
  },

  '06-provisioner/Export to CSV and JSON.json': async (red) => {
    await red.press('Key two readers');
    assert.equal(((await red.shown('two are keyed')) as Row).left, 1);
    await red.press('Export as CSV');
    await red.shown('a step is open');
    await red.press('Skip the third');
    assert.deepEqual(counts((await red.shown('complete')) as Slot), ['complete', 3, 2, 0, 1]);
    await red.press('Export as CSV');
    const rows = csvOf((await red.shown('the table')) as { file: string });
    assert.deepEqual(
      rows.map(([address, baud]) => [address, baud]),
      [
        ['61', '115200'],
        ['62', '115200'],
      ],
    );
    await red.press('Export as JSON');
    const { file, session } = (await red.shown('the document')) as { file: string; session: string };
    const document = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    assert.deepEqual(
      [document.kind, document.session_id, document.scbks],
      [
        'osprio-provisioned-scbks',
        session,
        rows.map(([pdAddress, baudrate, scbkHex]) => ({
          pdAddress: Number(pdAddress),
          baudrate: Number(baudrate),
          scbkHex,
        })),
      ],
    );
    await red.press('Export as CSV');
    await red.shown('it was exported before');
  },

  '06-provisioner/Commission a door row.json': async (red) => {
    await red.press('Start the row');
    await red.shown('the door', at(1));
    assert.equal(((await red.shown('waits for you', at(2))) as Row).outcome, 'scbk_rejected');
    await red.press('Set it back');
    await red.shown('it is as delivered', includes('"keyed":false'));
    await red.press('Retry');
    await red.shown('the door', at(3));
    assert.equal(((await red.shown('waits for you', at(4))) as Row).outcome, 'sc_unsupported');
    await red.press('Skip');
    const rows = csvOf((await red.shown('the keys are in')) as { file: string });
    assert.deepEqual(
      rows.map(([address]) => address),
      ['1', '2', '3'],
    );
    await red.status('export the row', ({ fill, shape }) => fill === 'green' && shape === 'dot');
  },

  'dashboards/Provisioning bench.json': async (red) => {
    const states = (rows: unknown) => (rows as Row[]).map(({ state }) => state).join(' ');
    await red.press('Write by hand');
    await red.shown('written');
    await red.shown('rows of steps', (rows) => states(rows) === 'pending pending pending pending');
    for (const step of ['success', 'failure']) {
      await red.press('Next by hand');
      await red.shown('it ended', (row) => (row as Row).state === step);
    }
    await red.shown('rows of steps', (rows) => states(rows) === 'success failure pending pending');
    await red.press('Set back by hand');
    await red.shown('as delivered');
    await red.press('Retry by hand');
    await red.shown('rows of steps', (rows) => states(rows) === 'success success pending pending');
    await red.press('Skip by hand');
    await red.press('Next by hand');
    await red.shown('rows of steps', (rows) => states(rows) === 'success success skipped success');
    await red.shown('rows of slots', includes('"state":"complete"'));
    const page = await fetch(`${red.address}/dashboard/provisioning`);
    assert.equal(page.status, 200);
  },
};
