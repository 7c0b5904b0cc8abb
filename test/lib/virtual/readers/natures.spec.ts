import assert from 'node:assert/strict';
import { REPLIES } from '../../../../lib/osdp/index.ts';
import { Peer } from '../../../../lib/osdp/panel/peer.ts';
import type { Personality, VirtualReader } from '../../../../lib/virtual/readers/index.ts';
import { PanelBench } from '../../osdp/panel-bench.ts';
import { KEY, OTHER_KEY } from '../../osdp/support.ts';

const EMPTY = new Uint8Array();

describe('a virtual reader with a quirk of its secure channel', () => {
  let bench: PanelBench;
  let reader: VirtualReader;
  let peer: Peer;
  afterEach(() => bench.close());

  async function start(personality: Partial<Personality>, key: Uint8Array | null = null): Promise<void> {
    bench = await PanelBench.start();
    reader = bench.add({ key, personality });
    peer = new Peer(bench.panel.line, 0);
  }
  const takesDefault = () => bench.run(bench.panel.reader(0).takesDefaultKey({ retries: 0 }));

  it('wants a session from the start, but for who it is and what it can do', async () => {
    await start({ secureOnly: 'always' });
    const answers = async (code: number, data = EMPTY) => {
      const { code: reply, data: why } = await bench.run(peer.send(code, data));
      return reply === REPLIES.NAK ? `NAK ${why[0]}` : reply;
    };
    assert.deepEqual(
      [
        await answers(0x60),
        await answers(0x61, Uint8Array.of(0)),
        await answers(0x62, Uint8Array.of(0)),
        await answers(0x64),
      ],
      ['NAK 6', REPLIES.PDID, REPLIES.PDCAP, 'NAK 6'],
    );
    await bench.run(bench.panel.reader(0).openSession({ key: 'default' }));
    await bench.run(bench.panel.reader(0).verifySession());
  });

  it('says nothing to the default key once it has its own', async () => {
    await start({ defaultChallenge: 'silence' });
    assert.deepEqual([await takesDefault(), reader.isLocked], [true, false]);
    await bench.close();
    await start({ defaultChallenge: 'silence' }, KEY);
    await assert.rejects(takesDefault(), { code: 'NO_REPLY' });
    assert.equal(await bench.run(bench.panel.reader(0).holdsKey(KEY)), true);
    assert.equal(await bench.run(bench.panel.reader(0).holdsKey(OTHER_KEY)), false);
    assert.equal(reader.isLocked, true);
  });

  it('takes the default key until it was opened with its own', async () => {
    await start({ locksLate: true });
    const one = bench.panel.reader(0);
    await bench.run(one.openSession({ key: 'default' }));
    const result = await bench.run(bench.panel.keyset(0, KEY));
    assert.equal(result.installMode, 'open', 'the first session came after the question');
    assert.equal(reader.isLocked, true);
    await assert.rejects(bench.run(one.openSession({ key: 'default' })), { code: 'SC_REFUSED' });
    reader.factoryReset();
    assert.equal(await takesDefault(), true);
  });

  it('confirms its sessions wrongly, or those under its own key', async () => {
    await start({ wrongRmac: 'always' });
    await assert.rejects(bench.run(bench.panel.reader(0).openSession({ key: 'default' })), { code: 'SC_FAILED' });
    await bench.close();
    await start({ wrongRmac: 'own-key' });
    await bench.run(bench.panel.reader(0).openSession({ key: 'default' }));
    await bench.close();
    await start({ wrongRmac: 'own-key' }, KEY);
    await assert.rejects(bench.run(bench.panel.reader(0).openSession({ key: KEY })), { code: 'SC_FAILED' });
  });

  it('answers polls, and no challenge', async () => {
    await start({ muteToChallenges: true });
    await assert.rejects(takesDefault(), { code: 'NO_REPLY' });
    assert.equal((await bench.run(peer.send(0x60, EMPTY))).code, REPLIES.ACK);
  });
});
