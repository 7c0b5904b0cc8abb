import type { HandshakeMessage } from '../../osdp/index.ts';

/** In which ways a virtual reader differs from one that does everything by the book. */
export interface Personality {
  /**
   * What it refuses in clear once it has a key: nothing, POLL, or everything but ID and CAP; `always` does so without
   * a key of its own too.
   */
  readonly secureOnly: 'nothing' | 'poll' | 'all' | 'always';
  /** What it answers when it has a key and is challenged with the default one: NAK 5, with its own key, or nothing. */
  readonly defaultChallenge: 'nak' | 'own-key' | 'silence';
  /** How it acknowledges a new key. */
  readonly keysetAck: 'sealed' | 'plain' | 'dropped';
  /** It takes the default key even when it has one of its own. */
  readonly staysOpen: boolean;
  /** It takes the default key until it was opened with its own for the first time. */
  readonly locksLate: boolean;
  /** It refuses new keys with this NAK; null = takes them. */
  readonly keysetNak: number | null;
  /** It says that it took the key, and did not. */
  readonly forgetsKey: boolean;
  /** It takes a key in clear. */
  readonly plainKeyset: boolean;
  /** It takes the zero key for its own while it has none. */
  readonly zeroKeyOpens: boolean;
  /** It answers nothing until it was polled once. */
  readonly silentUntilPolled: boolean;
  /** COM gets lost though the change is carried out. */
  readonly losesCom: boolean;
  /** It says that it moves, and does so when it is switched on the next time. */
  readonly movesLater: boolean;
  /** It takes another address or rate than asked for, and says so in COM. */
  readonly comAddress: number | null;
  readonly comBaudRate: number | null;
  /** It refuses COMSET with this NAK; null = takes it. */
  readonly comsetNak: number | null;
  /** It knows the checksum only. */
  readonly noCrc: boolean;
  /** It has no secure channel. */
  readonly noAes: boolean;
  /** Its first answer to POLL after power-up is its status. */
  readonly statusAtPowerUp: boolean;
  /** What it does about a frame whose check is wrong. */
  readonly badCheck: 'silence' | 'nak';
  /** What it does about a frame whose MAC is wrong. */
  readonly badMac: 'nak' | 'silence';
  /** What it does about a wrong proof in a handshake. */
  readonly wrongProof: 'nak' | 'refuse';
  /** The last word of its handshakes is wrong: 'own-key' under a key of its own only. */
  readonly wrongRmac: 'never' | 'own-key' | 'always';
  /** It answers no challenge. */
  readonly muteToChallenges: boolean;
  /** It sends no mark before its replies. */
  readonly noMark: boolean;
  /** It encrypts empty replies. */
  readonly encryptsEmpty: boolean;
  /** It takes any sequence number. */
  readonly anySequence: boolean;
}

/** By the book. */
export const NORMAL: Personality = Object.freeze({
  secureOnly: 'nothing',
  defaultChallenge: 'nak',
  keysetAck: 'sealed',
  staysOpen: false,
  locksLate: false,
  keysetNak: null,
  forgetsKey: false,
  plainKeyset: false,
  zeroKeyOpens: false,
  silentUntilPolled: false,
  losesCom: false,
  movesLater: false,
  comAddress: null,
  comBaudRate: null,
  comsetNak: null,
  noCrc: false,
  noAes: false,
  statusAtPowerUp: false,
  badCheck: 'silence',
  badMac: 'nak',
  wrongProof: 'nak',
  wrongRmac: 'never',
  muteToChallenges: false,
  noMark: false,
  encryptsEmpty: false,
  anySequence: false,
});

/** The last word of a handshake, as such a reader says it. @param isOwn the handshake was under a key of its own. */
export function spoilt(message: HandshakeMessage, { wrongRmac }: Personality, isOwn: boolean): HandshakeMessage {
  if (wrongRmac === 'never' || (wrongRmac === 'own-key' && !isOwn)) return message;
  return { ...message, data: message.data.map((byte) => byte ^ 0xff) };
}
