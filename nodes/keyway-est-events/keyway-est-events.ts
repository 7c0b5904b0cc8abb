import { codeOf } from '../../lib/errors/index.ts';
import type { EstEvent } from '../../lib/pki/node.ts';
import { migrate } from '../shared/migrate.ts';
import { withColons } from '../shared/registry.ts';
import { StatusLine } from '../shared/status.ts';
import { type DeployedEst, estById } from '../shared/trust-est.ts';
import { Fold } from '../shared/trust-fold.ts';
import type { Message, Red, RedNode } from '../shared/types.ts';
import { defaults, type EstEventsConfig } from './config.ts';

/** Which checkbox lets an event through. */
const KIND: Readonly<Record<EstEvent['topic'], 'enrolled' | 'renewed' | 'refused'>> = {
  'est.enrolled': 'enrolled',
  'est.reenrolled': 'renewed',
  'est.refused': 'refused',
  'est.failed': 'refused',
};

export default function register(RED: Red): void {
  function EstEventsNode(this: RedNode, saved: EstEventsConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as EstEventsConfig;
    const status = new StatusLine(this);
    let est: DeployedEst;
    try {
      est = estById(config.est);
    } catch (error) {
      // Once the whole flow stands, so that its Status nodes hear it.
      setImmediate(() => {
        status.set('red', 'dot', codeOf(error));
        this.error(error);
      });
      return;
    }
    const namespace = config.namespace.trim();
    const fold = new Fold();
    const ends = [
      est.watch((state) => {
        if (state.is === 'starting') status.set('grey', 'ring', RED._('keyway-est-events.status.starting'));
        else if (state.is === 'failed') status.set('red', 'dot', codeOf(state.error));
        else status.set('green', 'dot', RED._('keyway-est-events.status.listening'));
      }),
      est.listen((event) => {
        if (!config[KIND[event.topic]] || (namespace !== '' && event.namespace !== namespace)) return;
        const bad = KIND[event.topic] === 'refused';
        const repeated = bad ? fold.take(`${event.code} ${event.serial ?? event.source}`) : 0;
        if (repeated === undefined) return;
        this.send(messageOf(event, bad ? { repeated } : {}));
        status.set(bad ? 'yellow' : 'green', 'dot', bad ? (event.code ?? '') : (event.topic.split('.')[1] ?? ''));
      }),
    ];
    this.on('close', () => {
      status.mute();
      for (const end of ends) end();
    });
  }
  RED.nodes.registerType('keyway-est-events', EstEventsNode);
}

function messageOf({ topic, at, namespace, mac, notAfter, ...rest }: EstEvent, more: object): Message {
  const own = mac === null ? null : withColons(mac);
  // What a refused request says of itself need not be true: it stands in the payload alone.
  const isKnown = KIND[topic] !== 'refused' && namespace !== null && own !== null;
  return {
    topic: topic.replaceAll('.', '/'),
    payload: {
      time: new Date(at).toISOString(),
      namespace,
      mac: own,
      ...rest,
      ...more,
      ...(notAfter === undefined ? {} : { notAfter: new Date(notAfter).toISOString() }),
    },
    ...(isKnown ? { device: { namespace, mac: own } } : {}),
  } as unknown as Message;
}
