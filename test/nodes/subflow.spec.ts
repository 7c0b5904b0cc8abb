import assert from 'node:assert/strict';
import { Bench, chipAndPort, type FlowNode, unload } from './harness.ts';

/** Config nodes as parameters of a subflow: each instance works on the port that it is given. */
describe('in a subflow', () => {
  afterEach(unload);

  const env = (name: string, type: string, value = '') => ({ name, type, value });
  const instance = (id: string, port: string): FlowNode => ({
    id,
    type: 'subflow:line',
    env: [env('PORT', 'conf-type', port), env('RATE', 'str', '921600')],
    wires: [['out']],
  });
  const subflow: FlowNode[] = [
    {
      id: 'line',
      type: 'subflow',
      name: 'line',
      in: [{ wires: [{ id: 'plan' }] }],
      out: [{ wires: [{ id: 'flash', port: 0 }] }],
      env: [env('PORT', 'conf-type'), env('RATE', 'str', '460800')],
    },
    { id: 'plan', type: 'keyway-flash-plan', z: 'line', source: 'demo', wires: [['flash']] },
    {
      id: 'flash',
      type: 'keyway-flash',
      z: 'line',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: how Node-RED spells a parameter
      port: '${PORT}',
      baudRate: 'RATE',
      baudRateType: 'env',
      wires: [[], []],
    },
  ];

  it('a port given as a parameter is flashed, each instance its own', async () => {
    const macs = { left: '02:00:00:00:00:0a', right: '02:00:00:00:00:0b' };
    const bench = await Bench.load([
      ...chipAndPort('left', { mac: macs.left }),
      ...chipAndPort('right', { mac: macs.right }),
      ...subflow,
      instance('one', 'port-left'),
      instance('two', 'port-right'),
    ]);
    bench.send('one', { job: 'left' });
    bench.send('two', { job: 'right' });
    for (const msg of await bench.out.many(2)) {
      const side = msg.job as keyof typeof macs;
      assert.deepEqual([msg.topic, msg.device.mac, msg.record.port], ['flash/done', macs[side], `port ${side}`]);
      assert.equal(msg.payload.baudRate, 921600);
    }
  });

  it('a port that was not given is refused with its code', async () => {
    const bench = await Bench.load([...subflow, instance('one', '')]);
    assert.equal(await bench.failure('one', {}), 'PORT_NOT_SET');
  });

  it('a port node may live in the subflow and name its chip by a parameter', async () => {
    const mac = '02:00:00:00:00:0c';
    const [chip] = chipAndPort('inner', { mac });
    const bench = await Bench.load([
      chip as FlowNode,
      ...subflow.map((node) => (node.id === 'flash' ? { ...node, port: 'inner-port' } : node)),
      // biome-ignore lint/suspicious/noTemplateCurlyInString: how Node-RED spells a parameter
      { id: 'inner-port', type: 'keyway-port', z: 'line', name: 'inner', kind: 'virtual', chip: '${PORT}' },
      instance('one', 'chip-inner'),
    ]);
    bench.send('one', {});
    const msg = await bench.out.next();
    assert.deepEqual([msg.device.mac, msg.device.port], [mac, 'inner']);
  });
});
