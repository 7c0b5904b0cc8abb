/** What a re-enrolment costs beyond mutual TLS, its cryptography and a durable commit. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, createSecureContext, type SecureContext } from 'node:tls';
import { atLeast, median, type Row, reported } from './report.ts';
import type { EstServers } from './trust-est-host.ts';

const BAR = 0.75;
/** How many are under way at once. */
const PARALLEL = 16;
/** Rounds are short: a busy machine then slows both alike. */
const REQUESTS = 160;
const WARM_UP = 1000;
/** Odd: the median is one of them. */
const ROUNDS = 15;

/** A device that asks, and with what. */
interface Asking {
  readonly context: SecureContext;
  readonly body: string;
}

/**
 * est_reenroll: answered re-enrolments a second, each over a new TLS connection with a certificate of its own (judged by
 * the registry, the new one durable) ÷ answered requests a second of the bare server. Rounds take turns; the same client
 * asks both.
 */
export async function measureReenroll(): Promise<Row[]> {
  const host = fork(new URL('./trust-est-host.ts', import.meta.url));
  const exit = once(host, 'exit');
  try {
    const gone = exit.then(() => {
      throw new Error('The servers stopped.');
    });
    gone.catch(() => undefined);
    const [servers] = (await Promise.race([once(host, 'message'), gone])) as [EstServers];
    const { ours, bare, path, ca, devices } = servers;
    const contexts = devices.map(({ key, chain }) => createSecureContext({ key, cert: chain, ca }));
    const each = devices[0]?.bodies.length ?? 0;
    /** Each request once: a second one with the same key would be answered from what is there. */
    const asking = Array.from({ length: each * devices.length }, (_, i): Asking => {
      const at = i % devices.length;
      const body = devices[at]?.bodies[Math.floor(i / devices.length)] ?? '';
      return { context: contexts[at] as SecureContext, body };
    });
    let next = 0;
    const take = (count: number): Asking[] => {
      next += count;
      return asking.slice(next - count, next);
    };
    await rate(ours, path, take(WARM_UP));
    await rate(bare, path, asking.slice(0, WARM_UP));
    const rates: number[] = [];
    const peers: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const some = take(REQUESTS);
      rates.push(await rate(ours, path, some));
      peers.push(await rate(bare, path, some));
    }
    const ratios = rates.map((one, i) => one / (peers[i] ?? Number.NaN));
    const peer = 'node:https, mutual TLS, same cryptography, one SQLite commit';
    return [
      atLeast('est_reenroll', median(ratios), 'ratio', BAR, peer),
      reported('est_reenroll_rate', median(rates), 're-enrolments/s, a new TLS connection each', null),
      reported('bare_mutual_tls_rate', median(peers), 'requests/s', null),
    ];
  } finally {
    if (host.connected) host.send('stop');
    await exit;
  }
}

/** Answered requests a second. */
async function rate(port: number, path: string, asking: readonly Asking[]): Promise<number> {
  let next = 0;
  const begin = performance.now();
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      for (let one = asking[next++]; one !== undefined; one = asking[next++]) await answered(port, path, one);
    }),
  );
  return (asking.length / (performance.now() - begin)) * 1000;
}

/** One request over a connection of its own; its answer must be 200. */
function answered(port: number, path: string, { context, body }: Asking): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, secureContext: context });
    let text = '';
    const done = (error?: Error): void => {
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    socket.on('error', done);
    socket.on('close', () => done(new Error('The server closed the connection.')));
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      const head = text.indexOf('\r\n\r\n');
      if (head < 0) return;
      if (!text.startsWith('HTTP/1.1 200 ')) done(new Error(`The server answered ${text.slice(0, 200)}`));
      else if (text.length >= head + 4 + Number(/content-length: (\d+)/i.exec(text)?.[1] ?? Number.NaN)) done();
    });
    socket.write(
      [
        ...[`POST ${path} HTTP/1.1`, 'Host: 127.0.0.1', 'Content-Type: application/pkcs10'],
        ...[`Content-Length: ${body.length}`, '', body],
      ].join('\r\n'),
    );
  });
}
