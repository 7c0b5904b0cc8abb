/** How long a revoked device stays connected. */
import type { ClientQuestion, ClosedAnswer } from './endpoint-client.ts';
import type { DeviceIdentity, HostQuestion, HostState, Opened } from './endpoint-host.ts';
import { Answering } from './endpoint-process.ts';
import { atMost, type Row, reported } from './report.ts';

const BAR_S = 1;
const DEVICES = 2_500;
const PER_DEVICE = 4;
/** Of each device's sessions, every so many-th is a resumed one. */
const RESUME = 2;

/**
 * revoke_cut: seconds from asking for the revocation of one device, with 10,000 sessions of 2,500 devices open in
 * another process (half of them resumed), until all of its are closed: its sessions, which hold a serial number that
 * has a newer one beside it by then, and its connections that have not sent CONNECT. Connections that have not shown
 * their certificate yet go on after it, and must not get in. Every session of the others must answer a ping.
 */
export async function revokeCut(): Promise<Row[]> {
  const host = new Answering<HostQuestion>('./endpoint-host.ts');
  const client = new Answering<ClientQuestion>('./endpoint-client.ts');
  try {
    const opened = await host.ask<Opened>({ ask: 'open', devices: DEVICES, sessionsPerDevice: 16 });
    const { port, devices, authorities: ca } = opened;
    const begin = performance.now();
    const { open, resumed } = await client.ask<{ open: number; resumed: number }>({
      ...{ ask: 'connect', name: 'all', port, devices, perDevice: PER_DEVICE, ca, resume: RESUME },
    });
    const took = (performance.now() - begin) / 1000;
    const target = devices[DEVICES >> 1] as DeviceIdentity;
    const renewed = await host.ask<DeviceIdentity>({ ask: 'renew', mac: target.mac });
    const half = [target, renewed, ...devices.slice(0, 50)];
    await client.ask({ ask: 'half', port, devices: half, ca });
    const closing = client.ask<ClosedAnswer>({ ask: 'closed', mac: target.mac });
    const revoked = await host.ask<{ at: number; serials: number }>({ ask: 'revoke', mac: target.mac });
    const closed = await closing;
    const alive = await client.ask<number>({ ask: 'ping' });
    const late = await client.ask<number>({ ask: 'finish' });
    const state = await host.ask<HostState>({ ask: 'state' });
    check(
      closed.sessions === PER_DEVICE && closed.beforeConnect === 2 && closed.resumed > 0,
      'not all of it was there',
      closed,
    );
    check(revoked.serials === 2, 'it had no older serial number', revoked);
    check(alive === open - PER_DEVICE, 'another device’s session is gone', { alive, open });
    check(
      state.cut.every((mac) => mac === target.mac),
      'another device was cut',
      state.cut,
    );
    check(late === 50 && state.refused.CERT_REVOKED === 2, 'who came later was judged wrong', {
      late,
      ...state.refused,
    });
    return [
      atMost('revoke_cut', (closed.at - revoked.at) / 1000, 's', BAR_S, null),
      reported('revoke_cut_sessions', open, `sessions, ${resumed} resumed`, null),
      reported('endpoint_connects', open / took, 'sessions/s', null),
    ];
  } finally {
    await Promise.all([client.stop(), host.stop()]);
  }
}

function check(right: boolean, what: string, detail: unknown): void {
  if (!right) throw new Error(`revoke_cut: ${what}: ${JSON.stringify(detail)}`);
}
