import type { Clock } from '../clock.ts';
import type { Capability, DeviceId, ReaderFeatures, Reply } from '../codec/index.ts';
import type { TraceSink } from '../trace/recorder.ts';

/** The rates of the norm (5.2), in baud, in the order they are tried. */
export const BAUD_RATES = Object.freeze([9600, 115200, 38400, 19200, 57600, 230400]);

export interface PanelOptions {
  /** Default: the computer's time. */
  readonly clock?: Clock;
  /** How long a reader may take to begin its reply, in ms. Default 200, what the norm gives it. */
  readonly replyTimeoutMs?: number;
  /** How far apart bytes of one frame may lie, in ms. Default 150; 20 for a bare UART. */
  readonly stallMs?: number;
  /** A reader is polled at most this often, in ms. Default 50. */
  readonly pollMs?: number;
  /** A reader that was silent for this long is offline, in ms. Default 8000, what the norm gives it. */
  readonly offlineMs?: number;
  /** Takes every frame, keys included: see TraceRecorder. */
  readonly trace?: TraceSink;
}

/** A reader that the panel is to look after. */
export interface AddReader {
  /** 0 … 126. */
  readonly address: number;
  /** Its own key, 16 bytes: from then on it is never spoken to in clear, but for handshakes. Copied. */
  readonly key?: Uint8Array;
  /** Talk under the default key, which everybody knows: for tests of a wire only. */
  readonly defaultKey?: boolean;
  /** Whether it is polled. Default true. */
  readonly poll?: boolean;
  /** Some readers answer nothing before their first POLL: send one in clear before a handshake. Default false. */
  readonly wakeWithPoll?: boolean;
}

/** Who a reader says it is. */
export interface Identity extends DeviceId {
  /** Six upper-case hex digits. */
  readonly oui: string;
  /** "1.0.3" */
  readonly firmwareText: string;
}

export interface Capabilities extends ReaderFeatures {
  readonly list: readonly Capability[];
}

export interface PanelEvents {
  online: [{ address: number; secure: boolean; identity: Identity | undefined; changed: boolean }];
  /** Once each time that it is not heard of for so long, from the moment on that it was taken on. */
  offline: [{ address: number; silentMs: number }];
  card: [{ address: number; reader: number; format: number; bits: number; data: Uint8Array }];
  keypad: [{ address: number; reader: number; keys: string }];
  tamper: [{ address: number; tamper: boolean; powerFailure: boolean }];
  /** Any other answer to a poll. */
  reply: [{ address: number; reply: Reply }];
  /** A session could not be opened, or broke. The reader is not spoken to in clear instead. */
  insecure: [{ address: number; code: string; message: string }];
  /** Another panel talks on this bus. */
  foreign: [{ address: number; code: number }];
  /** The link ended; the panel is closed. */
  gone: [Error | undefined];
}

/** How the keyed reader took its key. */
export interface KeysetResult {
  /** How it said so: sealed as it should, in clear, or not at all. */
  readonly acknowledged: 'sealed' | 'clear' | 'none';
  /** A fresh handshake with the new key has proved it. */
  readonly proved: true;
  /** Whether it still takes the default key: then anybody may key it again. Unchecked: not asked, no answer or no clear one. */
  readonly installMode: 'closed' | 'open' | 'unchecked';
}

export interface ComsetResult {
  readonly address: number;
  readonly baudRate: number;
  /** The reader's own reply said so; else it was found by asking there. */
  readonly confirmedBy: 'reply' | 'probe';
  /** Frames sent until it answered at its new place. */
  readonly tries: number;
}
