import assert from 'node:assert/strict';
import type { NodeRed } from '../support/node-red.ts';

type Scenario = (red: NodeRed) => Promise<void>;
interface Shown {
  event: string;
  address: number;
  [key: string]: unknown;
}

const includes = (text: string) => (value: unknown) => JSON.stringify(value).includes(text);
const at = (address: number) => (value: unknown) => (value as Shown).address === address;

/** Those of examples/flows/05-osdp, as scenarios.ts has them. */
export const osdpScenarios: Record<string, Scenario> = {
  '05-osdp/Find an unknown reader.json': async (red) => {
    await red.press('Find it');
    await red.shown('where it looks', includes('"phase":"listen"'));
    const { readers } = (await red.shown('found')) as { readers: Record<string, unknown>[] };
    const [reader] = readers;
    assert.deepEqual(
      [readers.length, reader?.address, reader?.baudRate, reader?.security],
      [1, 23, 38400, 'install-mode'],
    );
    await red.status('find the reader', ({ fill, text }) => fill === 'green' && text === '1 found');
    const state = (await red.shown('how it is')) as Record<string, unknown>;
    assert.deepEqual([state.address, state.baudRate, state.tamper], [23, 38400, false]);

    await red.press('Unplug it');
    await red.shown('unplugged', includes('"connected":false'));
    await red.press('Find it');
    await red.shown('nobody there', includes('0 bytes, 0 frames'));
    await red.status('find the reader', ({ fill, text }) => fill === 'red' && text === 'NO_REPLY');
    red.forget();
    await red.press('Plug it in');
    await red.shown('plugged in', includes('"connected":true'));
    await red.press('Find it');
    await red.shown('found');
  },

  '05-osdp/Four readers one dead.json': async (red) => {
    await red.status('listen to all four', ({ text }) => text === '4/4 online');
    const { name } = (await red.shown('a reader is there', at(2))) as Shown;
    assert.equal(name, 'garage');
    await red.press('Unplug reader 2');
    await red.shown('it is out');
    const { silent } = (await red.shown('a reader is dead')) as Shown;
    assert.ok(Number(silent) >= 3, String(silent));
    await red.status('listen to all four', ({ text, fill }) => text === '3/4 online' && fill === 'yellow');
    await red.press('Ask reader 2');
    await red.shown('it is silent', includes('address 2 at 9600 baud'));
    await red.press('Ask reader 3');
    await red.shown('reader 3 says', at(3));
    red.forget();
    await red.press('Plug reader 2 in');
    await red.shown('a reader is there', at(2));
    await red.status('listen to all four', ({ text, fill }) => text === '4/4 online' && fill === 'green');
  },

  '05-osdp/A card read shown in the flow.json': async (red) => {
    await red.status('front door', ({ text }) => text === '1/1 online');
    await red.press('Hold a card to it');
    const card = (await red.shown('the card')) as Shown;
    assert.deepEqual([card.name, card.bits, card.facility, card.number], ['front door', 26, 17, 4711]);
    await red.shown('LED is on', at(5));
    await red.press('Press 1234#');
    assert.equal(((await red.shown('the keys')) as Shown).keys, '1234#');
    await red.press('Open the housing');
    await red.shown('somebody opened it', includes('"tamper":true'));
    await red.press('A card that is none');
    await red.shown('no card', includes('a library card'));
  },

  '05-osdp/Locate a reader by its LED.json': async (red) => {
    for (const address of [0, 1, 2]) {
      await red.press(`Locate reader ${address}`);
      await red.shown('located', at(address));
    }
    await red.press('Locate reader 9');
    await red.shown('nobody is there', includes('address 9 at 9600 baud'));
    await red.press('Locate address 127');
    await red.shown('no such address', includes('configuration address'));
    await red.press('Set a key by hand');
    await red.shown('keys are not set by hand', includes('KEYSET'));
  },
};
