import { fail } from '../errors.ts';
import { NORMAL, type Personality } from './personality.ts';

/** Personalities by their words, as a command line or a dialog names them. */
export const PERSONALITIES: Readonly<Record<string, Partial<Personality>>> = Object.freeze({
  normal: {},
  'secure-only': { secureOnly: 'all' },
  'poll-secure-only': { secureOnly: 'poll' },
  'secure-always': { secureOnly: 'always' },
  'own-key-challenge': { defaultChallenge: 'own-key' },
  'default-silent': { defaultChallenge: 'silence' },
  'plain-ack': { keysetAck: 'plain' },
  'no-ack': { keysetAck: 'dropped' },
  'stays-open': { staysOpen: true },
  'locks-late': { locksLate: true },
  'keyset-nak': { keysetNak: 9 },
  'forgets-key': { forgetsKey: true },
  'plain-keyset': { plainKeyset: true },
  'zero-key': { zeroKeyOpens: true },
  'silent-until-polled': { silentUntilPolled: true },
  'loses-com': { losesCom: true },
  'moves-later': { movesLater: true },
  'comset-nak': { comsetNak: 9 },
  'no-crc': { noCrc: true },
  'no-aes': { noAes: true },
  'status-at-power-up': { statusAtPowerUp: true },
  'bad-check-nak': { badCheck: 'nak' },
  'bad-mac-silence': { badMac: 'silence' },
  'proof-refused': { wrongProof: 'refuse' },
  'wrong-rmac': { wrongRmac: 'always' },
  'wrong-rmac-own-key': { wrongRmac: 'own-key' },
  'mute-to-challenges': { muteToChallenges: true },
  'no-mark': { noMark: true },
  'encrypts-empty': { encryptsEmpty: true },
  'any-sequence': { anySequence: true },
});

/** What is not a matter of personality: the reader has a key of its own from the start. */
export const KEYED = 'keyed';

/** Words that end with a number, like `busy-3`, and the largest number each takes. */
export const NUMBERED: Readonly<Record<string, number>> = Object.freeze({
  /** The first commands after it was made are answered with BUSY. */
  busy: 1000,
  /** It takes this address, or this rate, whatever COMSET asks for, and says so. */
  'com-address': 126,
  'com-baud': 460_800,
  /** How long it is deaf after a change of address or rate, in ms. */
  switch: 500,
});

/** A reader's nature in words. */
export interface Nature {
  readonly personality: Personality;
  readonly keyed: boolean;
  /** How many commands are answered with BUSY first. */
  readonly busy: number;
  /** Undefined = as readers are. */
  readonly switchMs: number | undefined;
}

/**
 * "keyed+no-mark+busy-3": words of `PERSONALITIES` and `NUMBERED`, and `keyed`, joined by plus signs.
 * @throws BAD_READER_OPTION
 */
export function parseNature(text: string): Nature {
  let personality: Personality = { ...NORMAL };
  let keyed = false;
  const numbers: Partial<Record<string, number>> = {};
  for (const word of text.split('+').map((part) => part.trim())) {
    const traits = PERSONALITIES[word];
    const [, name = '', digits = ''] = /^([a-z-]+)-(\d{1,6})$/.exec(word) ?? [];
    if (word === KEYED) keyed = true;
    else if (Number(digits) <= (NUMBERED[name] ?? -1)) numbers[name] = Number(digits);
    else if (traits !== undefined) personality = { ...personality, ...traits };
    else {
      const numbered = Object.entries(NUMBERED).map(([one, most]) => `${one}-N (to ${most})`);
      throw fail('BAD_READER_OPTION', `No personality of a virtual reader is called "${word}".`, {
        hint: `Use ${[...Object.keys(PERSONALITIES), KEYED, ...numbered].join(', ')}.`,
        detail: { field: 'personality', value: word },
      });
    }
  }
  const { 'com-address': comAddress = null, 'com-baud': comBaudRate = null, busy = 0, switch: switchMs } = numbers;
  return { personality: { ...personality, comAddress, comBaudRate }, keyed, busy, switchMs };
}
