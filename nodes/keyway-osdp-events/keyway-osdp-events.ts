import { codeOf } from '../../lib/errors/index.ts';
import { checkAddress, type PanelEvents, readCard, replyName } from '../../lib/osdp/index.ts';
import { asBuffer } from '../shared/bytes.ts';
import { migrate } from '../shared/migrate.ts';
import { type BusEvent, busById, type EventPayload, type OsdpBus } from '../shared/osdp-bus.ts';
import { facts, withBuffers } from '../shared/osdp-job.ts';
import { StatusLine } from '../shared/status.ts';
import type { Message, Red, RedNode } from '../shared/types.ts';
import { defaults, type EventsConfig } from './config.ts';

const STATES: readonly BusEvent[] = ['online', 'offline', 'insecure', 'foreign'];
const WANTED: Record<Exclude<EventsConfig['kind'], 'all'>, readonly BusEvent[]> = {
  input: ['card', 'keypad'],
  card: ['card'],
  keypad: ['keypad'],
  state: STATES,
  tamper: ['tamper'],
};

export default function register(RED: Red): void {
  function EventsNode(this: RedNode, saved: EventsConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as EventsConfig;
    const status = new StatusLine(this);
    const text = (key: string, values?: Record<string, string>): string =>
      RED._(`keyway-osdp-events.status.${key}`, values ?? {});
    let reported = '';
    let stop = async (): Promise<void> => undefined;
    const telling = (): boolean => config.kind === 'all' || config.kind === 'state';
    /** A port that is not there is waited for; any other reason somebody has to know, once. */
    const failed = (error: unknown): void => {
      const code = codeOf(error);
      const gone = code === 'PORT_GONE' || code === 'PORT_NOT_FOUND';
      if (gone) status.set('grey', 'ring', text('gone'));
      else status.set('red', 'dot', code);
      const before = reported;
      reported = gone ? 'gone' : code;
      if (reported === before) return;
      if (!gone) this.error(error, {});
      else if (telling()) this.send({ topic: 'osdp/gone', payload: { event: 'gone', code } } as Message);
    };
    const show = (bus: OsdpBus): void => {
      const total = bus.readers.length;
      if (total === 0) status.set('yellow', 'ring', text('none'));
      else {
        const { online } = bus;
        const words = text('online', { online: String(online), total: String(total) });
        status.set(online === total ? 'green' : 'yellow', online === total ? 'dot' : 'ring', words);
      }
    };
    const start = (): void => {
      const bus = busById(config.bus);
      const addresses = addressesIn(config.addresses);
      stop = bus.listen({
        onEvent: (name, event) => {
          if (STATES.includes(name)) show(bus);
          const wanted = config.kind === 'all' || WANTED[config.kind]?.includes(name);
          if (!wanted || (addresses.length > 0 && !addresses.includes(event.address))) return;
          this.send(messageOf(bus, name, event));
        },
        onState: (state, error) => {
          if (state === 'gone') {
            failed(error);
            return;
          }
          if (reported === 'gone' && telling())
            this.send({ topic: 'osdp/back', payload: { event: 'back' } } as Message);
          reported = '';
          show(bus);
        },
      });
    };
    status.set('grey', 'ring', text('opening'));
    // Once the flow is up: a Catch or Status node that is made later would miss what is said before.
    const atStart = (): void => {
      try {
        start();
      } catch (error) {
        failed(error);
      }
    };
    RED.events.once('flows:started', atStart);
    this.on('close', (_removed: boolean, closed: () => void) => {
      RED.events.off('flows:started', atStart);
      status.mute();
      stop()
        .catch((error: unknown) => this.warn(String(error)))
        .then(closed, closed);
    });
  }
  RED.nodes.registerType('keyway-osdp-events', EventsNode);
}

/** @throws BAD_OSDP_ADDRESS */
function addressesIn(text: string): number[] {
  const words = text.split(/[\s,;]+/).filter((word) => word !== '');
  return words.map((word) => {
    const address = /^\d+$/.test(word) ? Number(word) : Number.NaN;
    checkAddress(address, 'addresses');
    return address;
  });
}

function messageOf(bus: OsdpBus, name: BusEvent, event: EventPayload): Message {
  const { address } = event;
  const reader = bus.readers.find((one) => one.address === address)?.name ?? '';
  const known = { address, ...(reader === '' ? {} : { name: reader }) };
  return {
    topic: `osdp/${name}`,
    payload: { event: name, ...known, ...shown(name, event) },
    reader: { ...known, baudRate: bus.settings.baudRate(), ...identityOf(name, event) },
  } as unknown as Message;
}

function identityOf(name: BusEvent, event: EventPayload): object {
  const { identity } = name === 'online' ? (event as PanelEvents['online'][0]) : {};
  return identity === undefined ? {} : facts(identity);
}

/** What an event says, in words and numbers that a flow can use. */
function shown(name: BusEvent, event: EventPayload): object {
  switch (name) {
    case 'online': {
      const { secure, changed } = event as PanelEvents['online'][0];
      return { secure, changed, ...identityOf(name, event) };
    }
    case 'offline':
      return { silent: Math.round((event as PanelEvents['offline'][0]).silentMs / 100) / 10 };
    case 'card': {
      const { reader, format, bits, data } = event as PanelEvents['card'][0];
      return { reader, format, ...readCard({ bits, data }) };
    }
    case 'reply': {
      const { reply } = event as PanelEvents['reply'][0];
      if (reply.name === 'OPAQUE') return { reply: replyName(reply.code) ?? reply.code, data: asBuffer(reply.data) };
      const { name: word, ...fields } = reply;
      return { reply: word, ...withBuffers(fields) };
    }
    case 'foreign':
      return { code: 'BUS_HAS_PANEL', command: (event as PanelEvents['foreign'][0]).code };
    default: {
      const { address: _known, ...rest } = event;
      return rest;
    }
  }
}
