import type { Outcome, Stage, StepDetail } from '../../../../lib/osdp/provisioner/types.ts';
import type { VirtualReaderOptions } from '../../../../lib/virtual/readers/index.ts';
import { KEY } from '../support.ts';
import { type EngineBench, PLAN, type RunOptions, scbk } from './engine-bench.ts';

/** One way for a step to end. */
export interface Case {
  readonly what: string;
  readonly outcome: Outcome;
  readonly stage: Stage;
  readonly readers?: readonly VirtualReaderOptions[];
  readonly run?: RunOptions;
  readonly detail?: { readonly [K in keyof StepDetail]?: StepDetail[K] | undefined };
  readonly text?: RegExp;
  readonly keyed?: boolean;
  /** What is done when a stage is told. */
  readonly act?: (bench: EngineBench, at: string) => void;
}

/** Another reader that holds the same key sits in the place of the one. */
function swap(bench: EngineBench): void {
  bench.at.bus.remove(bench.reader);
  bench.at.add({ ...PLAN, key: scbk(PLAN.address), id: { serial: 0x77 } });
}

const multi = { bus: 'multi' } as const;
const unmoved = { comsetApplied: false, keyed: false } as const;
const moved = { comsetApplied: true, keyed: false } as const;
const done = { comsetApplied: true, keyed: true } as const;

/** Every outcome that the engine may have, each by at least one reader that brings it about. */
export const CASES: Case[] = [
  {
    what: 'nobody is there',
    outcome: 'no_response',
    stage: 'locate',
    readers: [],
    detail: unmoved,
    text: /nor at any other rate: \d+ tries, 0 bytes/,
  },
  {
    what: 'nobody is at either place of a bus with others',
    outcome: 'no_response',
    stage: 'locate',
    readers: [{ address: 5, key: KEY }],
    run: { terms: multi },
  },
  {
    what: 'the reader has another address',
    outcome: 'wrong_address',
    stage: 'locate',
    readers: [{ address: 93 }],
    detail: { ...unmoved, foundAt: { address: 93, baudRate: 9600 }, nowAt: { address: 93, baudRate: 9600 } },
  },
  {
    what: 'the reader took another address',
    outcome: 'wrong_address',
    stage: 'comset',
    readers: [{ personality: { comAddress: 9 } }],
    detail: { ...unmoved, nowAt: { address: 9, baudRate: 115200 } },
  },
  {
    what: 'the reader took another address and its answer was lost',
    outcome: 'wrong_address',
    stage: 'comset',
    readers: [{ personality: { comAddress: 9, losesCom: true } }],
    detail: { ...unmoved, nowAt: { address: 9, baudRate: 115200 } },
  },
  {
    what: 'the reader took another rate and its answer was lost',
    outcome: 'baud_mismatch',
    stage: 'comset',
    readers: [{ personality: { comBaudRate: 19200, losesCom: true } }],
    detail: { ...unmoved, foundAt: { address: 0, baudRate: 9600 }, nowAt: { address: 17, baudRate: 19200 } },
  },
  {
    what: 'the reader has another rate',
    outcome: 'baud_mismatch',
    stage: 'locate',
    readers: [{ address: 0, baudRate: 38400 }],
    detail: { ...unmoved, nowAt: { address: 0, baudRate: 38400 } },
  },
  {
    what: 'the reader has its address and the old rate',
    outcome: 'baud_mismatch',
    stage: 'locate',
    readers: [{ address: 17, baudRate: 9600 }],
    detail: { nowAt: { address: 17, baudRate: 9600 } },
  },
  {
    what: 'the reader has another address and rate',
    outcome: 'baud_mismatch',
    stage: 'locate',
    readers: [{ address: 50, baudRate: 230400 }],
    detail: { nowAt: { address: 50, baudRate: 230400 } },
  },
  {
    what: 'the reader took another rate',
    outcome: 'baud_mismatch',
    stage: 'comset',
    readers: [{ personality: { comBaudRate: 19200 } }],
    detail: { ...unmoved, nowAt: { address: 17, baudRate: 19200 } },
  },
  {
    what: 'the reader holds a strange key',
    outcome: 'scbk_rejected',
    stage: 'challenge',
    readers: [{ key: KEY }],
    detail: { ...moved, nak: { code: 5, text: 'this kind of secure channel is not supported' } },
    text: /has its address and rate/,
  },
  {
    what: 'the reader holds a strange key and answers with it',
    outcome: 'scbk_rejected',
    stage: 'challenge',
    readers: [{ key: KEY, personality: { defaultChallenge: 'own-key' } }],
    detail: moved,
  },
  {
    what: 'the reader holds a strange key and passes over the default one',
    outcome: 'scbk_rejected',
    stage: 'challenge',
    readers: [{ key: KEY, personality: { defaultChallenge: 'silence' } }],
    detail: moved,
  },
  {
    what: 'the reader holds a strange key and cannot be moved in clear',
    outcome: 'scbk_rejected',
    stage: 'comset',
    readers: [{ key: KEY, personality: { secureOnly: 'all' } }],
    detail: unmoved,
    text: /left as it was/,
  },
  ...[2, 3, 5, 6, 9].map(
    (keysetNak): Case => ({
      what: `the reader refuses its key with NAK ${keysetNak}`,
      outcome: 'keyset_failed',
      stage: 'keyset',
      readers: [{ personality: { keysetNak } }],
      detail: moved,
      text: /does not take the key/,
    }),
  ),
  {
    what: 'the key never arrives',
    outcome: 'keyset_failed',
    stage: 'keyset',
    act: (bench, at) =>
      at === 'keyset in-flight' && bench.at.bus.fault({ kind: 'lose', direction: 'command', name: 'KEYSET', times: 4 }),
    detail: moved,
  },
  {
    what: 'the reader stays open',
    outcome: 'install_mode_open',
    stage: 'lock-check',
    readers: [{ personality: { staysOpen: true } }],
    detail: done,
    keyed: true,
  },
  {
    what: 'the reader says yes and forgets',
    outcome: 'sc_verify_failed',
    stage: 'lock-check',
    readers: [{ personality: { forgetsKey: true } }],
    detail: moved,
  },
  {
    what: 'the reader confirms its new key wrongly',
    outcome: 'sc_verify_failed',
    stage: 'verify',
    readers: [{ personality: { wrongRmac: 'own-key' } }],
    detail: done,
    keyed: true,
  },
  {
    what: 'the reader says it has no secure channel',
    outcome: 'sc_unsupported',
    stage: 'locate',
    readers: [{ personality: { noAes: true } }],
    detail: unmoved,
  },
  {
    what: 'the reader does not speak of a secure channel',
    outcome: 'sc_unsupported',
    stage: 'locate',
    readers: [{ capabilities: [{ function: 4, compliance: 1, count: 1 }] }],
    detail: unmoved,
  },
  {
    what: 'the reader confirms every session wrongly',
    outcome: 'sc_error',
    stage: 'challenge',
    readers: [{ personality: { wrongRmac: 'always' } }],
    detail: moved,
  },
  {
    what: 'the reader passes over every challenge',
    outcome: 'sc_error',
    stage: 'challenge',
    readers: [{ personality: { muteToChallenges: true } }],
    detail: moved,
  },
  {
    what: 'the reader offers less than expected',
    outcome: 'capability_mismatch',
    stage: 'locate',
    run: { terms: { capabilities: ['led', 'text', 'biometrics'] } },
    detail: { ...unmoved, missing: ['text', 'biometrics'] },
  },
  {
    what: 'the reader is swapped for another with the same key',
    outcome: 'verify_mismatch',
    stage: 'auto-verify',
    act: (bench, at) => {
      if (at === 'verify in-flight') swap(bench);
    },
    detail: done,
    keyed: true,
    text: /swapped/,
  },
  {
    what: 'the reader has another serial number',
    outcome: 'wrong_serial',
    stage: 'locate',
    run: { plan: { serial: 'DEADBEEF' } },
    detail: unmoved,
    text: /10000000.*DEADBEEF/,
  },
  {
    what: 'the reader refuses to move',
    outcome: 'comset_refused',
    stage: 'comset',
    readers: [{ personality: { comsetNak: 9 } }],
    detail: { ...unmoved, nak: { code: 9, text: 'the command cannot be carried out' } },
  },
  {
    what: 'the reader says that it moves, and stays',
    outcome: 'comset_refused',
    stage: 'confirm',
    readers: [{ personality: { movesLater: true } }],
    detail: unmoved,
    text: /stays at address 0 at 9600 baud/,
  },
  {
    what: 'the reader cannot be named in time',
    outcome: 'wrong_address',
    stage: 'locate',
    readers: [{ address: 93, replyMs: 190 }],
    run: { terms: { timeoutMs: 8000 } },
    detail: { ...unmoved, nowAt: undefined },
    text: /at 9600 baud\.$/,
  },
  {
    what: 'it was cancelled before it began',
    outcome: 'cancelled',
    stage: 'locate',
    run: { signal: AbortSignal.abort() },
    detail: { ...unmoved, frames: 0 },
  },
  {
    what: 'COMSET never arrives',
    outcome: 'comset_refused',
    stage: 'comset',
    act: (bench, at) =>
      at === 'comset in-flight' && bench.at.bus.fault({ kind: 'lose', direction: 'command', name: 'COMSET', times: 3 }),
    detail: unmoved,
  },
  {
    what: 'two new readers are on the wires',
    outcome: 'bus_collision',
    stage: 'locate',
    readers: [{}, {}],
    detail: unmoved,
  },
  {
    what: 'two new readers are on the wires with others',
    outcome: 'bus_collision',
    stage: 'locate',
    readers: [{}, {}],
    run: { terms: multi },
    detail: unmoved,
  },
  {
    what: 'two readers are on wires that are for one',
    outcome: 'bus_collision',
    stage: 'locate',
    readers: [{ address: 3 }, { address: 9 }],
    detail: unmoved,
  },
  {
    what: 'somebody sits at the place of the step',
    outcome: 'bus_collision',
    stage: 'comset',
    readers: [{}, { ...PLAN, key: KEY }],
    run: { terms: multi },
    detail: unmoved,
    text: /left as it is/,
  },
  {
    what: 'the reader is busy for ever',
    outcome: 'busy_exhausted',
    stage: 'locate',
    detail: unmoved,
    act: (bench, at) => {
      if (at === 'locate in-flight') bench.reader.busy = 1000;
    },
  },
  {
    what: 'the reader is busy when it gets its key',
    outcome: 'busy_exhausted',
    stage: 'keyset',
    detail: moved,
    act: (bench, at) => {
      if (at === 'keyset in-flight') bench.reader.busy = 21;
    },
  },
  {
    what: 'the port goes',
    outcome: 'port_error',
    stage: 'confirm',
    detail: { comsetApplied: null, keyed: false },
    act: (bench, at) => {
      if (at === 'confirm in-flight') bench.at.bus.pull();
    },
  },
  {
    what: 'it takes too long',
    outcome: 'step_timeout',
    stage: 'challenge',
    readers: [{ replyMs: 150 }],
    run: { terms: { timeoutMs: 1000 } },
    detail: moved,
  },
  {
    what: 'it is cancelled',
    outcome: 'cancelled',
    stage: 'challenge',
    detail: moved,
    act: (bench, at) => at === 'challenge in-flight' && bench.abort.abort(),
  },
];
