import assert from 'node:assert/strict';
import { type Clock, encodeFrame, REPLIES, withMark } from '../../../../lib/osdp/index.ts';
import type { Personality } from '../../../../lib/virtual/readers/index.ts';
import { PanelBench } from '../panel-bench.ts';
import { EngineBench, PLAN } from './engine-bench.ts';

describe('a provisioning step and answers that come late', () => {
  let bench: EngineBench;
  afterEach(() => bench.close());

  /** At a stage, an answer to an earlier poll comes where that to a challenge is waited for. */
  async function stray(stage: string, code: number, data: number[], personality: Partial<Personality> = {}) {
    bench = await EngineBench.start();
    bench.at.add({ personality });
    const { medium } = bench.at.bus;
    const { address, baudRate } = PLAN;
    const late = { address, reply: true, sequence: 0, check: 'crc', code, data: Uint8Array.from(data) } as const;
    bench.onTold = (told) => {
      if (`${told.stage} ${told.state}` !== stage) return;
      bench.at.clock.at(bench.at.clock.now() + 2.2, () => {
        medium.send({ baudRate, inPieces: false, hear: () => undefined }, withMark(encodeFrame(late)));
      });
    };
    const result = await bench.step();
    assert.equal(bench.at.bus.stats.collisions, 0);
    return result;
  }

  for (const stage of ['challenge in-flight', 'lock-check in-flight', 'verify in-flight']) {
    for (const [what, code, data] of [
      ['an ACK', REPLIES.ACK, []],
      ['a refusal in clear', REPLIES.NAK, [6]],
      ['its status', REPLIES.LSTATR, [0, 0]],
    ] as const) {
      it(`is not led astray by ${what} at ${stage}`, async () => {
        const result = await stray(stage, code, [...data]);
        assert.equal(result.outcome, 'ok', result.detail.text);
        assert.ok(bench.isDone(bench.reader));
      });
    }
  }

  it('does not take a late refusal for a reader that is locked', async () => {
    for (const nak of [3, 6, 9]) {
      const result = await stray('lock-check in-flight', REPLIES.NAK, [nak], { staysOpen: true });
      assert.equal(result.outcome, 'install_mode_open');
      if (nak < 9) await bench.close();
    }
  });
});

describe('the OSDP panel on a computer that was held up', () => {
  it('looks at what has come meanwhile before it says that nothing came', async () => {
    let heldUpMs = 0;
    const clock: Clock = {
      now: () => bench.clock.now(),
      at: (time, callback, coarse) => bench.clock.at(coarse === true ? time + heldUpMs : time, callback),
    };
    const bench = await PanelBench.start({ clock });
    try {
      bench.add({ replyMs: 250 });
      await assert.rejects(bench.run(bench.panel.reader(0).identify({ retries: 0 })), { code: 'NO_REPLY' });
      await bench.clock.advance(500);
      heldUpMs = 40;
      assert.equal((await bench.run(bench.panel.reader(0).identify({ retries: 0 }))).serial, 0x10000000);
    } finally {
      await bench.close();
    }
  });
});
