import { codeOf } from '../../lib/errors/index.ts';
import type { RegistryEvent } from '../../lib/registry/index.ts';
import { migrate } from '../shared/migrate.ts';
import { addDevice, type DeployedRegistry, registryById, shownDevice, withColons } from '../shared/registry.ts';
import { StatusLine } from '../shared/status.ts';
import type { Message, Red, RedNode } from '../shared/types.ts';
import { type DeviceEventsConfig, defaults } from './config.ts';

/** Events that each choice lets through, by how their topic begins. */
const TOPICS: Record<DeviceEventsConfig['kind'], readonly string[]> = {
  all: [''],
  state: ['device.state'],
  device: ['device', 'devices'],
  certificate: ['certificate'],
  token: ['token', 'code'],
};

export default function register(RED: Red): void {
  function DeviceEventsNode(this: RedNode, saved: DeviceEventsConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as DeviceEventsConfig;
    const status = new StatusLine(this);
    let registry: DeployedRegistry;
    try {
      registry = registryById(config.registry);
    } catch (error) {
      // Once the whole flow stands, so that its Status nodes hear it.
      setImmediate(() => {
        status.set('red', 'dot', codeOf(error));
        this.error(error);
      });
      return;
    }
    const wanted = TOPICS[config.kind] ?? TOPICS.all;
    const end = registry.listen((event) => {
      if (!wanted.some((topic) => event.topic === topic || event.topic.startsWith(topic === '' ? '' : `${topic}.`)))
        return;
      if (config.namespace !== '' && event.namespace !== config.namespace) return;
      this.send(messageOf(event));
      status.set('green', 'dot', event.device?.state ?? event.topic.split('.').at(-1) ?? '');
    });
    status.set('grey', 'ring', RED._('keyway-device-events.status.opening'));
    registry.open().then(
      () => status.set('green', 'dot', RED._('keyway-device-events.status.listening')),
      (error: unknown) => status.set('red', 'dot', codeOf(error)),
    );
    this.on('close', () => {
      status.mute();
      end();
    });
  }
  RED.nodes.registerType('keyway-device-events', DeviceEventsNode);
}

function messageOf({ topic, at, namespace, subject, device, from, detail }: RegistryEvent): Message {
  const mac = detail?.device;
  return {
    topic: topic.replaceAll('.', '/'),
    payload: {
      time: new Date(at).toISOString(),
      namespace,
      subject,
      ...(device === undefined ? {} : { device: shownDevice(device), state: device.state, reason: device.reason }),
      ...(from === undefined ? {} : { from }),
      ...(detail === undefined ? {} : { detail }),
    },
    ...(device === undefined ? {} : { device: addDevice(undefined, device) }),
    ...(device === undefined && typeof mac === 'string' && namespace !== null
      ? { device: { namespace, mac: withColons(mac) } }
      : {}),
  } as Message;
}
