import { createServer as createHttp, type RequestListener, request as requestHttp, type Server } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { createCsr, normaliseMac } from '../../lib/pki/index.ts';
import { type Issued, nodePki } from '../../lib/pki/node.ts';
import { authorityById, type OpenAuthority } from '../../nodes/shared/authority.ts';
import { pemBytes } from '../../nodes/shared/pem-bytes.ts';
import { endpointById } from '../../nodes/shared/trust-endpoint.ts';
import { estById } from '../../nodes/shared/trust-est.ts';
import type { Red } from '../../nodes/shared/types.ts';
import type { Bench, FlowNode, Msg } from './harness.ts';
import { NAMESPACE } from './identity-bench.ts';

export const MAC = '60:55:f9:0a:b1:c2';
export const PLAIN = '6055f90ab1c2';
export const OTHER = '60:55:f9:0a:b1:c3';

/** A device with a live certificate. */
export interface Holder {
  readonly mac: string;
  readonly issued: Issued;
  readonly key: string;
}

export const endpointNode = (more: Record<string, unknown> = {}): FlowNode => ({
  ...{ id: 'endpoint', type: 'keyway-endpoint', authority: 'authority', port: '0' },
  ...more,
});

export const estNode = (more: Record<string, unknown> = {}): FlowNode => ({
  ...{ id: 'est', type: 'keyway-est', authority: 'authority', port: '0' },
  ...more,
});

const soon = (): AbortSignal => AbortSignal.timeout(8000);

export const opened = (): Promise<OpenAuthority> => authorityById('authority').openFor(NAMESPACE);
export const endpointPort = async (id = 'endpoint'): Promise<number> => (await endpointById(id).ready(soon())).port;
export const estUrl = async (id = 'est'): Promise<string> => {
  const { port } = await estById(id).ready(soon());
  return `https://127.0.0.1:${port}`;
};

/** Registers a device that holds a certificate and awaits its set-up. */
export async function holder(mac = MAC, namespace = NAMESPACE): Promise<Holder> {
  const { authority, registry } = await opened();
  const plain = normaliseMac(mac);
  const known = await registry.device({ namespace, mac: plain });
  const { id } = known ?? (await registry.addDevice({ namespace, mac: plain }));
  const made = await createCsr(nodePki, 'x');
  const issued = await authority.issueDevice({ namespace, mac: plain, csr: made.der, replace: true });
  await authority.markLive(issued.serial);
  if (known?.state !== 'online') {
    await registry.setState(id, 'flashing');
    await registry.setState(id, 'awaiting-setup');
  }
  const der = await made.key.exportPrivateKey();
  return { mac: plain, issued, key: pemBytes('PRIVATE KEY', der).toString() };
}

/** Sends a message and waits for what comes of it. */
export async function sent(bench: Bench, id: string, msg: Msg): Promise<Msg> {
  const before = bench.out.messages.filter((one) => one.job !== undefined).length;
  bench.send(id, msg);
  return (await bench.out.many(before + 1, (one) => one.job !== undefined))[before] as Msg;
}

const clients: MqttClient[] = [];

/** Connects as that device. @throws when it is not let in */
export async function connect(port: number, who: Holder, options: IClientOptions = {}): Promise<MqttClient> {
  const client = mqtt.connect(`mqtts://127.0.0.1:${port}`, {
    ...{ key: who.key, cert: who.issued.chain, ca: who.issued.authorities, reconnectPeriod: 0 },
    clientId: 'chip',
    ...options,
  });
  clients.push(client);
  client.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => {
    client.once('connect', () => resolve());
    client.once('close', () => reject(new Error('it was not let in')));
  });
  return client;
}

/** Ends what a test connected. */
export async function hangUp(): Promise<void> {
  await Promise.all(clients.splice(0).map((client) => client.endAsync(true).catch(() => undefined)));
}

/** Serves what the nodes mount below Node-RED's own HTTP root. */
export class HttpRoot {
  #server: Server | undefined;

  /** To be loaded with the nodes. */
  readonly serve = (RED: Red): void => {
    this.#server = createHttp(RED.httpNode as unknown as RequestListener).listen(0, '127.0.0.1');
  };

  async ask(
    path: string,
    { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
  ): Promise<{ status: number; body: Buffer; headers: Record<string, unknown> }> {
    const { port } = (this.#server as Server).address() as AddressInfo;
    return await new Promise((resolve, reject) => {
      const asked = requestHttp({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts), headers: response.headers }),
        );
      });
      asked.on('error', reject);
      asked.end();
    });
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }
}

/** Holds a port of loopback. */
export async function occupy(): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return { port, close: () => new Promise((resolve) => server.close(() => resolve())) };
}
