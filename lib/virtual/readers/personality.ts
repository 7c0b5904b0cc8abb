/** In which ways a virtual reader differs from one that does everything by the book. */
export interface Personality {
  /** What it refuses in clear once it has a key: nothing, POLL, or everything but ID and CAP. */
  readonly secureOnly: 'nothing' | 'poll' | 'all';
  /** What it answers when it has a key and is challenged with the default one: NAK 5, or with its own key. */
  readonly defaultChallenge: 'nak' | 'own-key';
  /** How it acknowledges a new key. */
  readonly keysetAck: 'sealed' | 'plain' | 'dropped';
  /** It takes the default key even when it has one of its own. */
  readonly staysOpen: boolean;
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
  keysetNak: null,
  forgetsKey: false,
  plainKeyset: false,
  zeroKeyOpens: false,
  silentUntilPolled: false,
  losesCom: false,
  comAddress: null,
  comBaudRate: null,
  comsetNak: null,
  noCrc: false,
  noAes: false,
  statusAtPowerUp: false,
  badCheck: 'silence',
  badMac: 'nak',
  wrongProof: 'nak',
  noMark: false,
  encryptsEmpty: false,
  anySequence: false,
});
