/** Devices in a process of their own: MQTT 3.1.1 over mutual TLS, as little work for each as can be. */
import { createConnection, type Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { generate } from 'mqtt-packet';
import { NAMESPACE } from './authority.ts';
import type { DeviceIdentity } from './endpoint-host.ts';

export type ClientQuestion =
  /** Sessions for each of the devices, under a name. `resume`: every so many-th with a ticket of one before. */
  | {
      readonly ask: 'connect';
      readonly name: string;
      readonly port: number;
      readonly devices: readonly DeviceIdentity[];
      readonly perDevice: number;
      readonly ca: string;
      readonly resume?: number;
    }
  /** Connections that stop half-way: before TLS, and before CONNECT. */
  | {
      readonly ask: 'half';
      readonly port: number;
      readonly devices: readonly DeviceIdentity[];
      readonly ca: string;
    }
  /** Publishes with QoS 1, one unanswered at a time a session. */
  | { readonly ask: 'publish'; readonly name: string; readonly ms: number }
  /** Waits until all of one device are closed. */
  | { readonly ask: 'closed'; readonly mac: string }
  /** Goes on with those that stopped before TLS; says whether any was let in. */
  | { readonly ask: 'finish' }
  /** Pings every session that is open; says how many answered. */
  | { readonly ask: 'ping' }
  | { readonly ask: 'stop' };

export interface ClosedAnswer {
  readonly sessions: number;
  readonly resumed: number;
  readonly beforeConnect: number;
  /** When the last was closed, ms since 1970. */
  readonly at: number;
}

interface Client {
  readonly mac: string;
  readonly socket: TLSSocket;
  readonly resumed: boolean;
  readonly hasSession: boolean;
  readonly publish: Buffer;
  onBytes: (bytes: Buffer) => void;
  closedAt: number | undefined;
}

const AT_ONCE = 64;
const groups = new Map<string, Client[]>();
const halfway: Client[] = [];
const silent: { socket: Socket; context: SecureContext; ca: string }[] = [];
const now = (): number => performance.timeOrigin + performance.now();

function opened(port: number, context: SecureContext, mac: string, session?: Buffer): Promise<Client> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...{ host: '127.0.0.1', port, secureContext: context },
      ...(session === undefined ? {} : { session }),
    });
    socket.setNoDelay(true);
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      const client: Client = {
        ...{ mac, socket, hasSession: false, closedAt: undefined },
        resumed: socket.isSessionReused(),
        onBytes: () => undefined,
        publish: generate({
          ...{ cmd: 'publish', topic: `${NAMESPACE}/${mac}/up`, payload: Buffer.alloc(100, 0x61), qos: 1 },
          ...{ dup: false, retain: false, messageId: 1 },
        }),
      };
      socket.on('data', (bytes: Buffer) => client.onBytes(bytes));
      socket.on('error', () => undefined);
      socket.on('close', () => {
        client.closedAt = now();
      });
      resolve(client);
    });
  });
}

function connected(client: Client, clientId: string): Promise<Client> {
  return new Promise((resolve, reject) => {
    client.onBytes = () => resolve({ ...client });
    client.socket.once('close', () => reject(new Error('A device was not let in.')));
    client.socket.write(
      generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, clientId, keepalive: 0 }),
    );
  });
}

async function enter(port: number, context: SecureContext, mac: string, id: string, session?: Buffer): Promise<Client> {
  const client = await opened(port, context, mac, session);
  await connected(client, id);
  client.onBytes = () => undefined;
  return Object.assign(client, { hasSession: true });
}

const contextOf = ({ key, cert }: DeviceIdentity, ca: string): SecureContext => createSecureContext({ key, cert, ca });

async function connectAll(
  question: Extract<ClientQuestion, { ask: 'connect' }>,
): Promise<{ open: number; resumed: number }> {
  const { name, port, devices, perDevice, ca, resume } = question;
  const all: Client[] = groups.get(name) ?? [];
  groups.set(name, all);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < devices.length; i = next++) {
      const device = devices[i] as DeviceIdentity;
      const context = contextOf(device, ca);
      let ticket: Buffer | undefined;
      for (let k = 0; k < perDevice; k++) {
        const wanted = resume !== undefined && k % resume === resume - 1 ? ticket : undefined;
        const client = await enter(port, context, device.mac, `${name}-${device.mac}-${k}`, wanted);
        client.socket.on('session', (bytes: Buffer) => {
          ticket = bytes;
        });
        ticket ??= client.socket.getSession();
        all.push(client);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { open: all.length, resumed: all.filter(({ resumed }) => resumed).length };
}

async function stopHalfway({ port, devices, ca }: Extract<ClientQuestion, { ask: 'half' }>): Promise<number> {
  for (const device of devices) {
    const context = contextOf(device, ca);
    halfway.push(await opened(port, context, device.mac));
    const socket = createConnection({ host: '127.0.0.1', port });
    await new Promise((resolve) => socket.once('connect', resolve));
    silent.push({ socket, context, ca });
  }
  return halfway.length + silent.length;
}

/** Answered messages. */
async function publish(name: string, ms: number): Promise<{ messages: number; ms: number }> {
  const clients = groups.get(name) ?? [];
  let messages = 0;
  let open = true;
  const begin = performance.now();
  await Promise.all(
    clients.map(
      (client) =>
        new Promise<void>((resolve) => {
          client.onBytes = () => {
            messages++;
            if (open) client.socket.write(client.publish);
            else resolve();
          };
          client.socket.once('close', resolve);
          client.socket.write(client.publish);
          setTimeout(() => {
            open = false;
          }, ms);
        }),
    ),
  );
  return { messages, ms: performance.now() - begin };
}

async function closed(mac: string): Promise<ClosedAnswer> {
  const mine = [...[...groups.values()].flat(), ...halfway].filter((client) => client.mac === mac);
  await Promise.all(
    mine.map(async (client) => {
      if (client.closedAt === undefined) await new Promise((resolve) => client.socket.once('close', resolve));
    }),
  );
  return {
    sessions: mine.filter(({ hasSession }) => hasSession).length,
    resumed: mine.filter(({ resumed }) => resumed).length,
    beforeConnect: mine.filter(({ hasSession }) => !hasSession).length,
    at: Math.max(...mine.map(({ closedAt }) => closedAt ?? Number.NaN)),
  };
}

/** @returns how many of them got a byte of MQTT */
async function finish(): Promise<number> {
  const answered = await Promise.all(
    silent.splice(0).map(
      ({ socket, context }) =>
        new Promise<number>((resolve) => {
          const client = connect({ socket, secureContext: context, host: '127.0.0.1' });
          client.on('error', () => undefined);
          client.on('data', () => resolve(1));
          client.on('close', () => resolve(0));
          client.on('secureConnect', () =>
            client.write(generate({ cmd: 'connect', protocolId: 'MQTT', clientId: 'late', clean: true, keepalive: 0 })),
          );
        }),
    ),
  );
  return answered.reduce((sum, one) => sum + one, 0);
}

async function ping(): Promise<number> {
  const open = [...groups.values()].flat().filter(({ closedAt }) => closedAt === undefined);
  const answers = await Promise.all(
    open.map(
      (client) =>
        new Promise<number>((resolve) => {
          client.onBytes = () => resolve(1);
          client.socket.once('close', () => resolve(0));
          client.socket.write(Buffer.from([0xc0, 0]));
        }),
    ),
  );
  return answers.reduce((sum, one) => sum + one, 0);
}

async function answer(question: ClientQuestion): Promise<unknown> {
  switch (question.ask) {
    case 'connect':
      return await connectAll(question);
    case 'half':
      return await stopHalfway(question);
    case 'publish':
      return await publish(question.name, question.ms);
    case 'closed':
      return await closed(question.mac);
    case 'finish':
      return await finish();
    case 'ping':
      return await ping();
    case 'stop':
      return process.exit(0);
  }
}

process.on('disconnect', () => process.exit(0));
process.on('message', (question: ClientQuestion) => {
  answer(question).then(
    (value) => process.send?.({ value }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
