import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import type { Judge } from '../../lib/endpoint/index.ts';
import { type Bench, type Identity, MAC, NAMESPACE, PREFIX, textOf } from '../lib/endpoint/support.ts';
import { type Trust, trust } from '../lib/endpoint/trust.ts';
import { put, scratch } from '../lib/pki/support.ts';

/** Subscribes, publishes with each QoS, waits for messages until the last one, and prints what it saw. */
const SCRIPT = `
import sys, json, threading
import paho.mqtt.client as mqtt
port, version, cert, key, ca, prefix = sys.argv[1:]
seen = {'connect': None, 'granted': [], 'acks': 0, 'messages': [], 'end': None}
done = threading.Event()
c = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id='paho', protocol=int(version))
c.tls_set(ca_certs=ca, certfile=cert, keyfile=key)
c.will_set(prefix + 'gone', 'gone', 1)
def on_connect(c, u, flags, reason, props):
    seen['connect'] = [reason.value, flags.session_present]
    c.subscribe([(prefix + 'down/+', 2), ('elsewhere/#', 1)])
def on_subscribe(c, u, mid, reasons, props):
    seen['granted'] = [r.value for r in reasons]
    for qos in range(3):
        c.publish(prefix + 'up', 'hello %d' % qos, qos)
def on_publish(c, u, mid, reason, props):
    seen['acks'] += 1
def on_message(c, u, m):
    if m.topic == prefix + 'down/end':
        c.disconnect()
    else:
        seen['messages'].append([m.topic, m.payload.decode(), m.qos])
def on_disconnect(c, u, flags, reason, props):
    seen['end'] = reason.value
    done.set()
c.on_connect, c.on_subscribe, c.on_publish = on_connect, on_subscribe, on_publish
c.on_message, c.on_disconnect = on_message, on_disconnect
try:
    c.connect('127.0.0.1', int(port), keepalive=30)
    c.loop_start()
    done.wait(20)
    c.loop_stop()
except Exception as e:
    seen['end'] = type(e).__name__
print(json.dumps(seen))
`;

/** A Python that has paho: KEYWAY_OSDP_PYTHON, else python3 if it has. */
function findPython(): string | undefined {
  for (const python of [process.env.KEYWAY_OSDP_PYTHON, 'python3']) {
    if (python === undefined || python === '') continue;
    try {
      execFileSync(python, ['-c', 'import paho.mqtt.client'], { stdio: 'ignore' });
      return python;
    } catch {
      // Not this one.
    }
  }
  return undefined;
}

interface Seen {
  readonly connect: [number, boolean] | null;
  readonly granted: number[];
  readonly acks: number;
  readonly messages: [string, string, number][];
  readonly end: number | string | null;
}

describe('peers: paho over mutual TLS', function () {
  this.timeout(60_000);
  let python = '';
  let all: Trust;
  let bench: Bench<Judge>;
  let folder = '';
  let remove: (() => Promise<void>) | undefined;

  before(async function () {
    const found = findPython();
    if (found === undefined) {
      const what = 'a Python with paho-mqtt not found';
      if (process.env.KEYWAY_PEERS === 'required') throw new Error(`${what}, and KEYWAY_PEERS is "required"`);
      console.log(`    left out: ${what}`);
      this.skip();
    }
    python = found;
    ({ folder, remove } = await scratch());
    all = await trust();
  });
  after(async () => {
    await all?.close();
    await remove?.();
  });
  beforeEach(async () => {
    bench = await all.bench();
  });
  afterEach(() => bench?.close());

  const paho = async (who: Identity, version: 4 | 5): Promise<Seen> => {
    const files = [
      await put(folder, 'cert.pem', who.cert),
      await put(folder, 'key.pem', who.key),
      await put(folder, 'ca.pem', who.issued.authorities),
    ];
    const out = await new Promise<string>((resolve, reject) => {
      const args = ['-c', SCRIPT, String(bench.port), String(version), ...files, PREFIX];
      execFile(python, args, { timeout: 40_000 }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(stderr, { cause: error }));
      });
    });
    return JSON.parse(out) as Seen;
  };

  for (const version of [4, 5] as const) {
    it(`speaks both ways, MQTT ${version === 4 ? '3.1.1' : '5'}`, async () => {
      const ready = bench.told.until('message', 3);
      const work = paho(all.device, version);
      assert.deepEqual(new Set((await ready).map(textOf)), new Set(['hello 0', 'hello 1', 'hello 2']));
      for (const qos of [0, 1, 2] as const) {
        const how = await bench.endpoint.publish({
          namespace: NAMESPACE,
          mac: MAC,
          topic: `down/${qos}`,
          payload: `${qos}`,
          qos,
        });
        assert.equal(how, qos === 0 ? 'sent' : 'acknowledged');
      }
      await bench.endpoint.publish({ namespace: NAMESPACE, mac: MAC, topic: 'down/end', payload: '' });
      const seen = await work;
      assert.deepEqual(seen.connect, [0, false]);
      assert.deepEqual(seen.granted, [2, version === 4 ? 0x80 : 0x87]);
      assert.equal(seen.acks, 3);
      assert.deepEqual(
        seen.messages,
        [0, 1, 2].map((qos) => [`${PREFIX}down/${qos}`, String(qos), qos]),
      );
      await bench.told.until('offline');
      assert.equal(bench.told.all('message').length, 3, 'a will came though it had disconnected');
      assert.deepEqual(bench.told.codes, ['TOPIC_OUTSIDE_SCOPE']);
    });

    it(`a revoked device learns nothing, MQTT ${version === 4 ? '3.1.1' : '5'}`, async () => {
      const revoked = await all.mint();
      await all.authority.revoke(revoked.serial, 1);
      const seen = await paho(revoked, version);
      assert.equal(seen.connect, null);
      assert.notEqual(seen.end, null);
      assert.deepEqual(new Set(bench.told.codes), new Set(['CERT_REVOKED']));
      Object.assign(all, { device: await all.mint() });
    });
  }
});
