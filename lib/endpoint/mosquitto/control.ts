import { randomBytes } from 'node:crypto';
import type { IClientOptions, MqttClient } from 'mqtt';
import { codeOf, isKeywayError } from '../../errors/index.ts';
import { fail } from '../errors.ts';

/** Where the dynamic security plugin of a mosquitto is reached, and as whom. */
export interface MosquittoControlOptions {
  /** mqtt:// on loopback, mqtts:// beyond. */
  readonly url: string;
  readonly username: string;
  readonly password: string | Uint8Array;
  /** For mqtts: authorities, PEM. */
  readonly ca?: string | Uint8Array;
  readonly timeoutMs?: number;
}

const TOPIC = '$CONTROL/dynamic-security/v1';
const TIMEOUT_MS = 10_000;

interface Answer {
  readonly command: string;
  readonly correlationData?: string;
  readonly error?: string;
}

interface Waiting {
  readonly done: (answer: Answer) => void;
  readonly failed: (error: Error) => void;
}

/** Speaks to the dynamic security plugin over MQTT, as mosquitto_ctrl does. */
export class MosquittoControl {
  readonly #client: MqttClient;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<string, Waiting>();

  private constructor(client: MqttClient, timeoutMs: number) {
    this.#client = client;
    this.#timeoutMs = timeoutMs;
    client.on('message', (_topic, payload) => this.#answered(payload));
    client.on('close', () => {
      for (const { failed } of this.#waiting.values()) failed(notThere('The connection to it ended.'));
      this.#waiting.clear();
    });
  }

  /** @throws BAD_SETTINGS, MOSQUITTO_NOT_THERE, MOSQUITTO_REFUSED */
  static async open(options: MosquittoControlOptions): Promise<MosquittoControl> {
    const { url, username, password, ca, timeoutMs = TIMEOUT_MS } = options;
    checkUrl(url);
    const { connect } = await import('mqtt');
    const own: IClientOptions = {
      ...{ username, password: typeof password === 'string' ? password : Buffer.from(password) },
      ...{ clientId: `keyway-control-${randomBytes(6).toString('hex')}`, reconnectPeriod: 0 },
      connectTimeout: timeoutMs,
      ...(ca === undefined ? {} : { ca: typeof ca === 'string' ? ca : Buffer.from(ca) }),
    };
    const client = connect(url, own);
    try {
      await new Promise<void>((resolve, reject) => {
        client.once('connect', () => resolve());
        client.on('error', reject);
        client.once('close', () => reject(notThere('It closed the connection.')));
      });
      const control = new MosquittoControl(client, timeoutMs);
      const [granted] = await client.subscribeAsync(`${TOPIC}/response`, { qos: 1 });
      if (granted === undefined || granted.qos > 2) throw refused('It does not let this user read its answers.');
      return control;
    } catch (error) {
      await client.endAsync(true).catch(() => undefined);
      if (isKeywayError(error)) throw error;
      const code = codeOf(error, '');
      if (/^\d+$/.test(String((error as { code?: unknown }).code))) {
        throw refused(`It does not take this user (${String((error as { code?: unknown }).code)}).`, error);
      }
      throw notThere(`It cannot be reached${code === '' ? '' : `: ${code}`}.`, error);
    }
  }

  #answered(payload: Buffer): void {
    let answers: readonly Answer[] = [];
    try {
      answers = (JSON.parse(payload.toString()) as { responses?: readonly Answer[] }).responses ?? [];
    } catch {
      // Not for us.
    }
    for (const answer of answers) {
      const { correlationData = '' } = answer;
      this.#waiting.get(correlationData)?.done(answer);
      this.#waiting.delete(correlationData);
    }
  }

  /** @throws MOSQUITTO_NOT_THERE, MOSQUITTO_REFUSED with detail.reason */
  async command(command: string, more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const correlationData = randomBytes(12).toString('hex');
    const answer = await new Promise<Answer>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(correlationData);
        reject(notThere(`It did not answer within ${this.#timeoutMs} ms: is its dynamic security plugin loaded?`));
      }, this.#timeoutMs);
      const settle = <T>(end: (what: T) => void) => {
        return (what: T): void => {
          clearTimeout(timer);
          end(what);
        };
      };
      this.#waiting.set(correlationData, { done: settle(resolve), failed: settle(reject) });
      const commands = [{ command, correlationData, ...more }];
      this.#client.publish(TOPIC, JSON.stringify({ commands }), { qos: 1 }, (error) => {
        if (error) this.#waiting.get(correlationData)?.failed(notThere('The connection to it ended.', error));
      });
    });
    if (answer.error === undefined) return;
    throw fail('MOSQUITTO_REFUSED', `mosquitto refused "${command}": ${answer.error.slice(0, 200)}.`, {
      hint: 'Give this user the role admin of the dynamic security plugin.',
      detail: { command, reason: answer.error.slice(0, 200) },
    });
  }

  /**
   * Ends the sessions of these users, whose names are the common names of their certificates where
   * `use_identity_as_username` is set. They may connect again at once: only the revocation list keeps them out, so it
   * must have been read before. A user that the plugin does not know is made for this and taken out again.
   * @throws MOSQUITTO_NOT_THERE, MOSQUITTO_REFUSED
   */
  async kick(usernames: readonly string[]): Promise<void> {
    // Whoever answers this has had a turn in which it read what the signal before asked it to read.
    await this.command('getDefaultACLAccess');
    for (const username of usernames) await this.#kick(username);
  }

  async #kick(username: string): Promise<void> {
    const made = await this.command('disableClient', { username }).then(
      () => false,
      async (error: unknown) => {
        const reason = isKeywayError(error, 'MOSQUITTO_REFUSED') ? error.detail?.reason : undefined;
        if (reason !== 'Client not found') throw error;
        await this.command('createClient', { username });
        return true;
      },
    );
    if (!made) {
      await this.command('enableClient', { username });
      return;
    }
    try {
      await this.command('disableClient', { username });
    } finally {
      await this.command('deleteClient', { username });
    }
  }

  async close(): Promise<void> {
    await this.#client.endAsync(true);
  }
}

/** A password does not go over a network in clear. */
function checkUrl(url: string): void {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const local = parsed !== undefined && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(parsed.hostname);
  if (parsed !== undefined && parsed.username === '' && parsed.password === '') {
    if (parsed.protocol === 'mqtts:' || (parsed.protocol === 'mqtt:' && local)) return;
  }
  throw fail('BAD_SETTINGS', 'The address of mosquitto cannot be used.', {
    hint: 'Use mqtts://host:port, or mqtt:// on loopback, without a user in it.',
    detail: { field: 'url' },
  });
}

function notThere(what: string, cause?: unknown): Error {
  return fail('MOSQUITTO_NOT_THERE', `mosquitto was not found. ${what}`, {
    hint: 'Start mosquitto with its dynamic security plugin.',
    ...(cause === undefined ? {} : { cause }),
  });
}

function refused(what: string, cause?: unknown): Error {
  return fail('MOSQUITTO_REFUSED', `mosquitto refused. ${what}`, {
    hint: 'Check the name and password, and give the user the role admin.',
    ...(cause === undefined ? {} : { cause }),
  });
}
