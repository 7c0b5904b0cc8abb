/** What a message costs at the endpoint, beside mosquitto. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientQuestion } from './endpoint-client.ts';
import type { HostQuestion, Opened } from './endpoint-host.ts';
import { Answering } from './endpoint-process.ts';
import { atLeast, median, type Row, reported } from './report.ts';

const BAR = 0.5;
const SESSIONS = 1_000;
const WARM_UP_MS = 1_000;
const RUN_MS = 2_500;
/** Odd: the median is one of them. */
const ROUNDS = 3;
const MOSQUITTO = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto', '/usr/local/sbin/mosquitto'];

/**
 * endpoint_messages: answered messages of QoS 1 a second over 1,000 sessions by mutual TLS, one unanswered at a time a
 * session, ÷ mosquitto's. The same client asks both, in turns, over connections that stay open.
 */
export async function endpointMessages(): Promise<Row[]> {
  const host = new Answering<HostQuestion>('./endpoint-host.ts');
  const client = new Answering<ClientQuestion>('./endpoint-client.ts');
  let broker: { port: number; stop(): Promise<void> } | undefined;
  try {
    const opened = await host.ask<Opened>({ ask: 'open', devices: SESSIONS, sessionsPerDevice: 1 });
    const { devices, authorities: ca } = opened;
    broker = await mosquitto(opened);
    const rate = async (name: string, ms = RUN_MS): Promise<number> => {
      const { messages, ms: took } = await client.ask<{ messages: number; ms: number }>({ ask: 'publish', name, ms });
      return (messages / took) * 1000;
    };
    await client.ask({ ask: 'connect', name: 'ours', port: opened.port, devices, perDevice: 1, ca });
    await rate('ours', WARM_UP_MS);
    const ours: number[] = [];
    const theirs: number[] = [];
    if (broker !== undefined) {
      await client.ask({ ask: 'connect', name: 'mosquitto', port: broker.port, devices, perDevice: 1, ca });
      await rate('mosquitto', WARM_UP_MS);
    }
    for (let round = 0; round < ROUNDS; round++) {
      ours.push(await rate('ours'));
      if (broker !== undefined) theirs.push(await rate('mosquitto'));
    }
    const own = reported('endpoint_messages_rate', median(ours), 'messages/s', null);
    if (broker === undefined) {
      return [
        {
          measure: 'endpoint_messages',
          value: null,
          unit: 'ratio',
          bar: BAR,
          holds: null,
          peer: 'mosquitto is missing',
        },
        own,
      ];
    }
    const ratios = ours.map((one, round) => one / (theirs[round] ?? Number.NaN));
    return [
      atLeast('endpoint_messages', median(ratios), 'ratio', BAR, 'mosquitto, same client, 1,000 sessions'),
      own,
      reported('mosquitto_messages_rate', median(theirs), 'messages/s', null),
    ];
  } finally {
    await Promise.all([client.stop(), host.stop(), broker?.stop()]);
  }
}

/** mosquitto with the same certificates; undefined where it is not installed. */
async function mosquitto(opened: Opened): Promise<{ port: number; stop(): Promise<void> } | undefined> {
  let program: string | undefined;
  for (const path of MOSQUITTO) {
    const there = await access(path).then(
      () => true,
      () => false,
    );
    if (there) program ??= path;
  }
  if (program === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'keyway-mosquitto-'));
  const put = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const port = await freePort();
  const config = await put(
    'mosquitto.conf',
    [
      `listener ${port} 127.0.0.1`,
      `keyfile ${await put('key.pem', opened.service.key)}`,
      `certfile ${await put('cert.pem', opened.service.cert)}`,
      `cafile ${await put('ca.pem', opened.deviceAuthorities)}`,
      ...['require_certificate true', 'use_identity_as_username true', 'allow_anonymous true', 'log_type none'],
      ...(process.getuid?.() === 0 ? ['user root'] : []),
    ].join('\n'),
  );
  const child = spawn(program, ['-c', config], { stdio: 'ignore' });
  const exit = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill();
    await exit;
    await rm(folder, { recursive: true, force: true });
  };
  for (let tries = 0; tries < 100 && !(await listens(port)); tries++) await sleep(50);
  return { port, stop };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
