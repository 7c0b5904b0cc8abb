/** What the enrolment service costs beyond HTTP, its cryptography and a durable commit. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Answer, DeviceRequest, Question } from './enrol-host.ts';
import { atLeast, median, type Row, reported } from './report.ts';

const BAR = 0.75;
/** Connections that are kept, each with one request at a time. */
const CONNECTIONS = 64;
const REQUESTS = 3_000;
const TICKETS = 2_000;
const WARM_UP = 2_000;
/** Odd: the median is one of them. */
const ROUNDS = 5;

/**
 * mint_http: answered enrolments a second with a namespace's token (device looked up, certificate and audit entry
 * durable) ÷ answered requests a second of the bare server. Rounds take turns; the same client asks both, and costs the
 * servers as little as it can.
 */
export async function mintHttp(): Promise<Row[]> {
  const host = fork(new URL('./enrol-host.ts', import.meta.url), { serialization: 'advanced' });
  const exit = once(host, 'exit');
  try {
    const { ours, bare, token, requests } = (await answerOf(host)) as Extract<Answer, { token: string }>;
    const withToken = requests.map((request) => bytesOf(request, token));
    const rates: number[] = [];
    const peers: number[] = [];
    await rate(ours, withToken, WARM_UP);
    await rate(bare, withToken, WARM_UP);
    for (let round = 0; round < ROUNDS; round++) {
      rates.push(await rate(ours, withToken, REQUESTS));
      peers.push(await rate(bare, withToken, REQUESTS));
    }
    host.send({ tickets: TICKETS } satisfies Question);
    const { tickets } = (await answerOf(host)) as Extract<Answer, { tickets: unknown }>;
    const withTicket = tickets.map((ticket, i) => bytesOf(requests[i % requests.length] as DeviceRequest, ticket));
    const ratios = rates.map((one, round) => one / (peers[round] ?? Number.NaN));
    return [
      atLeast('mint_http', median(ratios), 'ratio', BAR, 'node:http, same cryptography, one SQLite commit'),
      reported('mint_http_rate', median(rates), 'enrolments/s', null),
      reported('bare_http_rate', median(peers), 'requests/s', null),
      reported(
        'mint_http_ticket_rate',
        await rate(ours, withTicket, TICKETS),
        'enrolments/s by ticket: 3 commits',
        null,
      ),
    ];
  } finally {
    if (host.connected) host.send('stop' satisfies Question);
    await exit;
  }
}

async function answerOf(host: ChildProcess): Promise<Answer> {
  const gone = once(host, 'exit').then(() => {
    throw new Error('The servers stopped.');
  });
  gone.catch(() => undefined);
  const [answer] = (await Promise.race([once(host, 'message'), gone])) as [Answer];
  return answer;
}

function bytesOf({ path, body }: DeviceRequest, secret: string): Buffer {
  return Buffer.from(
    [
      `POST ${path} HTTP/1.1`,
      'Host: 127.0.0.1',
      `Authorization: Bearer ${secret}`,
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n'),
  );
}

/** Answered requests a second. */
async function rate(port: number, requests: readonly Buffer[], count: number): Promise<number> {
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, () => connected(port)));
  try {
    let next = 0;
    const begin = performance.now();
    await Promise.all(
      sockets.map(async (socket) => {
        while (next < count) await answered(socket, requests[next++ % requests.length] as Buffer);
      }),
    );
    return (count / (performance.now() - begin)) * 1000;
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket.setNoDelay(true);
}

/** Sends one and waits for the whole answer, which must be 201. */
function answered(socket: Socket, request: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    let end = 0;
    const done = (error?: Error): void => {
      socket.off('data', more).off('close', lost).off('error', lost);
      if (error === undefined) resolve();
      else reject(error);
    };
    const lost = (): void => done(new Error('The server closed the connection.'));
    const more = (bytes: Buffer): void => {
      text += bytes.toString('latin1');
      const head = end === 0 ? text.indexOf('\r\n\r\n') : -1;
      if (head >= 0) {
        if (!text.startsWith('HTTP/1.1 201 ')) {
          done(new Error(`The server answered ${text}`));
          return;
        }
        end = head + 4 + Number(/content-length: (\d+)/i.exec(text)?.[1] ?? Number.NaN);
      }
      if (end > 0 && text.length >= end) done();
    };
    socket.on('data', more).on('close', lost).on('error', lost);
    socket.write(request);
  });
}
