import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { NodeDef } from 'node-red';
import helper from 'node-red-node-test-helper';
import authority from '../../nodes/keyway-authority/keyway-authority.ts';
import bench from '../../nodes/keyway-bench/keyway-bench.ts';
import certificate from '../../nodes/keyway-certificate/keyway-certificate.ts';
import chip from '../../nodes/keyway-chip/keyway-chip.ts';
import consoleNode from '../../nodes/keyway-console/keyway-console.ts';
import crl from '../../nodes/keyway-crl/keyway-crl.ts';
import device from '../../nodes/keyway-device/keyway-device.ts';
import deviceEvents from '../../nodes/keyway-device-events/keyway-device-events.ts';
import endpoint from '../../nodes/keyway-endpoint/keyway-endpoint.ts';
import endpointIn from '../../nodes/keyway-endpoint-in/keyway-endpoint-in.ts';
import endpointOut from '../../nodes/keyway-endpoint-out/keyway-endpoint-out.ts';
import est from '../../nodes/keyway-est/keyway-est.ts';
import estEvents from '../../nodes/keyway-est-events/keyway-est-events.ts';
import exportNode from '../../nodes/keyway-export/keyway-export.ts';
import flash from '../../nodes/keyway-flash/keyway-flash.ts';
import flashPlan from '../../nodes/keyway-flash-plan/keyway-flash-plan.ts';
import image from '../../nodes/keyway-image/keyway-image.ts';
import mint from '../../nodes/keyway-mint/keyway-mint.ts';
import osdpBus from '../../nodes/keyway-osdp-bus/keyway-osdp-bus.ts';
import osdpCommand from '../../nodes/keyway-osdp-command/keyway-osdp-command.ts';
import osdpDiscover from '../../nodes/keyway-osdp-discover/keyway-osdp-discover.ts';
import osdpEvents from '../../nodes/keyway-osdp-events/keyway-osdp-events.ts';
import port from '../../nodes/keyway-port/keyway-port.ts';
import portPool from '../../nodes/keyway-port-pool/keyway-port-pool.ts';
import ports from '../../nodes/keyway-ports/keyway-ports.ts';
import progress from '../../nodes/keyway-progress/keyway-progress.ts';
import provisioner from '../../nodes/keyway-provisioner/keyway-provisioner.ts';
import provisioningPlan from '../../nodes/keyway-provisioning-plan/keyway-provisioning-plan.ts';
import quickStep from '../../nodes/keyway-quick-step/keyway-quick-step.ts';
import readersBench from '../../nodes/keyway-readers-bench/keyway-readers-bench.ts';
import record from '../../nodes/keyway-record/keyway-record.ts';
import registry from '../../nodes/keyway-registry/keyway-registry.ts';
import renew from '../../nodes/keyway-renew/keyway-renew.ts';
import revoke from '../../nodes/keyway-revoke/keyway-revoke.ts';
import secret from '../../nodes/keyway-secret/keyway-secret.ts';
import slots from '../../nodes/keyway-slots/keyway-slots.ts';
import step from '../../nodes/keyway-step/keyway-step.ts';
import virtualChip from '../../nodes/keyway-virtual-chip/keyway-virtual-chip.ts';
import virtualReaders from '../../nodes/keyway-virtual-readers/keyway-virtual-readers.ts';
import type { Red, RedNode } from '../../nodes/shared/types.ts';

helper.init(createRequire(import.meta.url).resolve('node-red'));

/** A message as a test sees it: it holds whatever the nodes put there, as parsed JSON does. */
export type Msg = Record<string, ReturnType<typeof JSON.parse>>;

export interface FlowNode {
  id: string;
  type: string;
  wires?: string[][];
  [property: string]: unknown;
}

const registrations = Object.entries({
  'keyway-authority': authority,
  'keyway-bench': bench,
  'keyway-certificate': certificate,
  'keyway-chip': chip,
  'keyway-console': consoleNode,
  'keyway-device': device,
  'keyway-device-events': deviceEvents,
  'keyway-flash': flash,
  'keyway-flash-plan': flashPlan,
  'keyway-image': image,
  'keyway-mint': mint,
  'keyway-osdp-bus': osdpBus,
  'keyway-osdp-command': osdpCommand,
  'keyway-osdp-discover': osdpDiscover,
  'keyway-osdp-events': osdpEvents,
  'keyway-port': port,
  'keyway-port-pool': portPool,
  'keyway-ports': ports,
  'keyway-readers-bench': readersBench,
  'keyway-record': record,
  'keyway-registry': registry,
  'keyway-secret': secret,
  'keyway-virtual-chip': virtualChip,
  'keyway-virtual-readers': virtualReaders,
  'keyway-provisioner': provisioner,
  'keyway-slots': slots,
  'keyway-provisioning-plan': provisioningPlan,
  'keyway-step': step,
  'keyway-quick-step': quickStep,
  'keyway-progress': progress,
  'keyway-export': exportNode,
  'keyway-crl': crl,
  'keyway-endpoint': endpoint,
  'keyway-endpoint-in': endpointIn,
  'keyway-endpoint-out': endpointOut,
  'keyway-est': est,
  'keyway-est-events': estEvents,
  'keyway-renew': renew,
  'keyway-revoke': revoke,
}).map(
  ([type, register]) =>
    (RED: Red) =>
      register(withTexts(RED, type)),
);

const CONFIG = new Set([
  'tab',
  'subflow',
  'keyway-authority',
  'keyway-endpoint',
  'keyway-est',
  'keyway-port',
  'keyway-port-pool',
  'keyway-registry',
  'keyway-virtual-chip',
  'keyway-osdp-bus',
  'keyway-provisioner',
  'keyway-virtual-readers',
  'serial-port',
]);

/** The helper knows no texts: a node gets those of its locale, as it does in Node-RED. A missing one is an error. */
function withTexts(RED: Red, type: string): Red {
  const read = (path: string): object =>
    JSON.parse(readFileSync(new URL(`../../nodes/${path}`, import.meta.url), 'utf8')) as object;
  let texts: object | undefined;
  const translate = (key: string, values: Record<string, string> = {}): string => {
    texts ??= { ...read('shared/locales/en-US/shared.json'), ...read(`${type}/locales/en-US/${type}.json`) };
    const text = key
      .split('.')
      .reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], texts);
    if (typeof text !== 'string') throw new Error(`${type} has no text "${key}"`);
    return text.replace(/__(\w+)__/g, (_all, name: string) => values[name] ?? '');
  };
  return Object.create(RED, { _: { value: translate } }) as Red;
}

/** Everything that one collector got, and a way to wait for what is still to come. */
export class Collector {
  readonly messages: Msg[] = [];
  readonly #waiting = new Set<() => void>();

  push(msg: Msg): void {
    this.messages.push(msg);
    for (const look of [...this.#waiting]) look();
  }

  /** The first message that fits, come or to come. */
  next(fits: (msg: Msg) => boolean = () => true): Promise<Msg> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.messages.find(fits);
        if (found === undefined) return;
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** That many messages that fit. */
  many(count: number, fits: (msg: Msg) => boolean = () => true): Promise<Msg[]> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.messages.filter(fits);
        if (found.length < count) return;
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }
}

/**
 * A flow that runs in Node-RED with real Catch, Complete and Status nodes. Each node of `nodes` without a tab gets the
 * one tab; collectors are `out` (wire to it), `progress`, `caught`, `completed`, `statuses`.
 */
export class Bench {
  readonly out = new Collector();
  readonly progress = new Collector();
  readonly caught = new Collector();
  readonly completed = new Collector();
  readonly statuses = new Collector();

  static async load(
    nodes: FlowNode[],
    extra: ((red: Red) => void)[] = [],
    credentials: Record<string, Record<string, string>> = {},
  ): Promise<Bench> {
    const made = new Bench();
    const scope = nodes.filter((node) => !CONFIG.has(node.type)).map((node) => node.id);
    const flow: FlowNode[] = [
      { id: 'tab', type: 'tab', label: 'test' },
      ...nodes.map((node) => (CONFIG.has(node.type) ? node : { z: 'tab', x: 1, y: 1, ...node })),
      { id: 'out', type: 'collector', z: 'tab', x: 1, y: 1 },
      { id: 'progress', type: 'collector', z: 'tab', x: 1, y: 1 },
      { id: 'catch', type: 'catch', z: 'tab', x: 1, y: 1, scope, uncaught: false, wires: [['caught']] },
      { id: 'caught', type: 'collector', z: 'tab', x: 1, y: 1 },
      { id: 'complete', type: 'complete', z: 'tab', x: 1, y: 1, scope, wires: [['completed']] },
      { id: 'completed', type: 'collector', z: 'tab', x: 1, y: 1 },
      { id: 'status', type: 'status', z: 'tab', x: 1, y: 1, scope, wires: [['statuses']] },
      { id: 'statuses', type: 'collector', z: 'tab', x: 1, y: 1 },
    ];
    // Collectors take part in the flow from its start, so that nothing said while it starts is lost.
    const collectors = (RED: Red): void => {
      RED.nodes.registerType('collector', function (this: RedNode, saved: NodeDef) {
        RED.nodes.createNode(this, saved);
        this.on('input', (msg, _send, done) => {
          made[this.id as 'out'].push(msg);
          done();
        });
      });
    };
    await helper.load(
      [collectors, ...registrations, ...extra] as Parameters<typeof helper.load>[0],
      flow as never,
      credentials,
    );
    return made;
  }

  send(id: string, msg: Msg): void {
    helper.getNode(id).receive(msg);
  }

  /** The code with which a message sent now fails. */
  async failure(id: string, msg: Msg): Promise<string> {
    const before = this.caught.messages.length;
    this.send(id, msg);
    const caught = await this.caught.many(before + 1);
    return caught[before]?.error.code as string;
  }

  /** The last status of a node, as text. */
  lastStatus(id: string): Msg | undefined {
    return this.statuses.messages.filter((msg) => msg.status.source.id === id).at(-1)?.status as Msg | undefined;
  }

  /** A status of a node that fits, come or to come. */
  async status(id: string, fits: (status: Msg) => boolean): Promise<Msg> {
    const msg = await this.statuses.next(({ status }) => status.source.id === id && fits(status as Msg));
    return msg.status as Msg;
  }
}

export async function unload(): Promise<void> {
  await helper.unload();
}

/** Stops the flow, as a deploy does. */
export async function stopFlow(): Promise<void> {
  await helper.clearFlows();
}

export function request(): ReturnType<typeof helper.request> {
  return helper.request();
}

/** A virtual chip and the port that leads to it, running free. */
export function chipAndPort(name: string, chipFields: Record<string, unknown> = {}): FlowNode[] {
  return [
    { id: `chip-${name}`, type: 'keyway-virtual-chip', name, line: 'free', ...chipFields },
    { id: `port-${name}`, type: 'keyway-port', name: `port ${name}`, kind: 'virtual', chip: `chip-${name}` },
  ];
}
