import assert from 'node:assert/strict';
import { Bench, chipAndPort, unload } from './harness.ts';

describe('nodes wired in their natural order', () => {
  afterEach(unload);

  it('build, plan, flash and read the boot log with no configuration but the port', async () => {
    const bench = await Bench.load([
      ...chipAndPort('natural'),
      { id: 'image', type: 'keyway-image', wires: [['plan']] },
      { id: 'plan', type: 'keyway-flash-plan', wires: [['flash']] },
      { id: 'flash', type: 'keyway-flash', port: 'port-natural', wires: [['console', 'flashed'], ['progress']] },
      { id: 'flashed', type: 'helper' },
      { id: 'console', type: 'keyway-console', port: 'port-natural', wires: [['out']] },
    ]);
    bench.send('image', { payload: 'go' });
    const hello = await bench.out.next((msg) => /Hello from demo/.test(msg.payload.text));
    assert.equal(hello.topic, 'console/line');
    assert.equal(hello.device.chip, 'ESP32-C3');
    assert.match(hello.device.mac, /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    assert.deepEqual(bench.caught.messages, []);
  });
});
