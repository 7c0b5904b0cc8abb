import { fail } from '../errors.ts';
import { NORMAL, type Personality } from './personality.ts';

/** Personalities by their words, as a command line or a dialog names them. */
export const PERSONALITIES: Readonly<Record<string, Partial<Personality>>> = Object.freeze({
  normal: {},
  'secure-only': { secureOnly: 'all' },
  'poll-secure-only': { secureOnly: 'poll' },
  'own-key-challenge': { defaultChallenge: 'own-key' },
  'plain-ack': { keysetAck: 'plain' },
  'no-ack': { keysetAck: 'dropped' },
  'stays-open': { staysOpen: true },
  'keyset-nak': { keysetNak: 9 },
  'forgets-key': { forgetsKey: true },
  'plain-keyset': { plainKeyset: true },
  'zero-key': { zeroKeyOpens: true },
  'silent-until-polled': { silentUntilPolled: true },
  'loses-com': { losesCom: true },
  'comset-nak': { comsetNak: 9 },
  'no-crc': { noCrc: true },
  'no-aes': { noAes: true },
  'status-at-power-up': { statusAtPowerUp: true },
  'bad-check-nak': { badCheck: 'nak' },
  'bad-mac-silence': { badMac: 'silence' },
  'proof-refused': { wrongProof: 'refuse' },
  'no-mark': { noMark: true },
  'encrypts-empty': { encryptsEmpty: true },
  'any-sequence': { anySequence: true },
});

/** What is not a matter of personality: the reader has a key of its own from the start. */
export const KEYED = 'keyed';

/** A reader's nature in words. */
export interface Nature {
  readonly personality: Personality;
  readonly keyed: boolean;
}

/** "keyed+no-mark": words of `PERSONALITIES`, and `keyed`, joined by plus signs. @throws BAD_READER_OPTION */
export function parseNature(text: string): Nature {
  let personality: Personality = { ...NORMAL };
  let keyed = false;
  for (const word of text.split('+').map((part) => part.trim())) {
    const traits = PERSONALITIES[word];
    if (word === KEYED) keyed = true;
    else if (traits !== undefined) personality = { ...personality, ...traits };
    else {
      throw fail('BAD_READER_OPTION', `No personality of a virtual reader is called "${word}".`, {
        hint: `Use ${[...Object.keys(PERSONALITIES), KEYED].join(', ')}.`,
        detail: { field: 'personality', value: word },
      });
    }
  }
  return { personality, keyed };
}
