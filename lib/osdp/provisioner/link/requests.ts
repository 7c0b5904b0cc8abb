import { wipe } from '../../../vault/index.ts';
import type { HostIdentity, ProvisionerDevice } from '../device.ts';
import type { SlotPicture } from '../types.ts';
import type { Request } from './envelope.ts';
import type { RequestType } from './messages.ts';

/** What a request is answered with; `parts` where one frame may not hold it. */
export type Answer = { readonly result: object; readonly secret?: Uint8Array } | { readonly parts: Iterable<object> };

/** The requests of an attached host. */
export type DeviceRequest = Extract<
  Request,
  { type: Exclude<RequestType, 'hello' | 'ping' | 'pair' | 'attach' | 'ack'> }
>;

/** Which slots this connection has begun and not sealed. */
export type Staging = Set<number>;

const NOTHING: Answer = { result: {} };
/** Characters of steps in one frame: at 9600 baud, one takes some eight seconds. */
const PART = 8192;

/** Does what an attached host asks. @throws what the device throws */
export async function answerRequest(
  device: ProvisionerDevice,
  host: HostIdentity,
  staging: Staging,
  request: DeviceRequest,
  secret: Uint8Array | null,
): Promise<Answer> {
  const seed = secret ?? new Uint8Array(0);
  switch (request.type) {
    case 'slots':
      return { result: { slots: device.slots() } };
    case 'begin': {
      const { slot, terms, session, kdf } = request.params;
      await device.begin(slot, terms, { seed, session, kdf }, host);
      staging.add(slot);
      return NOTHING;
    }
    case 'steps':
      await device.addSteps(request.params.slot, request.params.steps, host);
      return NOTHING;
    case 'seal': {
      const summary = await device.seal(request.params.slot, host);
      staging.delete(request.params.slot);
      return { result: { summary } };
    }
    case 'abandon':
      await device.abandon(request.params.slot);
      staging.delete(request.params.slot);
      return NOTHING;
    case 'open':
      return { parts: parts(device.open(request.params.slot)) };
    case 'remove':
      await device.remove(request.params.slot, request.params.session, host);
      if (request.params.slot !== 'live') staging.delete(request.params.slot);
      return NOTHING;
    case 'verb':
      await device.verb(request.params.slot, request.params.step, request.params.verb);
      return NOTHING;
    case 'cancel':
      await device.cancel(request.params.slot);
      return NOTHING;
    case 'beginLive': {
      const { terms, session, kdf } = request.params;
      return { result: { summary: await device.beginLive(terms, { seed, session, kdf }, host) } };
    }
    case 'quick':
      return { result: { index: await device.quick(request.params.step) } };
    case 'closeLive':
      return { result: { summary: await device.closeLive() } };
    case 'seed':
      return readSeed(device, host, request.params.slot);
    case 'exported':
      await device.exported(request.params.slot, request.params.session);
      return NOTHING;
  }
}

async function readSeed(device: ProvisionerDevice, host: HostIdentity, wanted: SlotPicture['summary']['slot']) {
  const { seed, slot, session, kdf } = await device.seed(wanted, host);
  const copy = Buffer.from(seed);
  wipe(seed);
  return { result: { slot, session, kdf }, secret: copy };
}

/** A slot as it was at one moment, in frames of moderate size. */
function* parts({ summary, terms, steps }: SlotPicture): Generator<object> {
  for (let from = 0; from < steps.length || from === 0; ) {
    let until = from;
    for (let length = 0; until < steps.length && length < PART; until++) length += JSON.stringify(steps[until]).length;
    yield { summary, terms, from, steps: steps.slice(from, until) };
    if (until === steps.length) return;
    from = until;
  }
}
