import { fail } from '../shared/errors.ts';
import type { Fields } from '../shared/evaluate.ts';
import { withPaths } from '../shared/file-path.ts';
import { type Job, type Outcome, onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { defaults, type RenewConfig, times } from './config.ts';
import { dueTime } from './due.ts';
import { filesOf, inTurn, settleFiles } from './files.ts';
import { type Held, holdFiles, holdMessage } from './held.ts';
import { refusesRequest, renewBy } from './renewing.ts';

export default function register(RED: Red): void {
  function RenewNode(this: RedNode, saved: RenewConfig): void {
    RED.nodes.createNode(this, saved);
    const config = withPaths(RED, this, migrate(saved, defaults) as RenewConfig, [
      'certificateFile',
      'keyFile',
      'caFile',
    ]);
    if (config.source === 'files') {
      // A loss of power may have come between the key and its certificate.
      Promise.resolve()
        .then(() => {
          const files = filesOf(config);
          return inTurn(files, () => settleFiles(files));
        })
        .catch((error: unknown) => this.error(error));
    }
    onInput<RenewConfig>({
      red: RED,
      node: this,
      config,
      verb: 'renew',
      inOrder: true,
      run: (job, fields) => {
        if (config.source !== 'files') return renew(RED, config, job, fields);
        return inTurn(filesOf(config), () => renew(RED, config, job, fields));
      },
    });
  }
  RED.nodes.registerType('keyway-renew', RenewNode);
}

async function renew(red: Red, config: RenewConfig, job: Job, fields: Fields<RenewConfig>): Promise<Outcome> {
  job.signal.throwIfAborted();
  const when = await fields.choice('when', times);
  const part = await partIn(fields);
  const held = config.source === 'files' ? await holdFiles(config) : await holdMessage(config, job, fields);
  const due = dueTime(held, part);
  if (when === 'due' && Date.now() < due) {
    const at = new Date(due).toISOString();
    return {
      topic: 'renew/not-due',
      payload: { renewed: false, ...facts(held), due: at },
      status: red._('keyway-renew.status.notDue', { due: at.slice(5, 16).replace('T', ' ') }),
    };
  }
  const url = await fields.text('url');
  if (url === undefined) throw blank('url');
  const [label, servername] = [await fields.text('namespace'), await fields.text('servername')];
  const terms = { url, signal: job.signal, label: label ?? labelOf(config, held), servername };
  const { serial, notBefore, notAfter } = await held.use(async (identity) => {
    const key = await held.newKey();
    try {
      const certificate = await renewBy(identity, key, terms);
      await held.keep({ certificate, key });
      return certificate;
    } catch (error) {
      if (refusesRequest(error)) await held.discard(key);
      throw error;
    } finally {
      key.fill(0);
    }
  });
  const until = new Date(notAfter).toISOString();
  return {
    topic: 'renew/renewed',
    payload: {
      renewed: true,
      serial,
      previous: held.serial,
      notBefore: new Date(notBefore).toISOString(),
      notAfter: until,
      commonName: held.commonName,
    },
    status: red._('keyway-renew.status.renewed', { until: until.slice(5, 16).replace('T', ' ') }),
  };
}

/** The files of a gateway say their namespace themselves. */
function labelOf({ source }: RenewConfig, { commonName }: Held): string | undefined {
  return source === 'files' ? /^(.+):[0-9a-f]{12}$/.exec(commonName)?.[1] : undefined;
}

function facts({ serial, commonName, notAfter }: Held): object {
  return { serial, commonName, notAfter: new Date(notAfter).toISOString() };
}

/** Undefined: by hours, as is the default of certificate namespaces. */
async function partIn(fields: Fields<RenewConfig>): Promise<number | undefined> {
  const value = await fields.value('part');
  if (value === undefined || value === null || value === '') return undefined;
  const part = Number(value);
  if (part >= 0.05 && part <= 0.95) return part;
  throw fail('BAD_FIELD', 'The field "part" must be from 0.05 to 0.95.', {
    hint: '0.75 renews after three quarters of the validity; leave it blank for hour 18 of each 24.',
    detail: { field: 'part' },
  });
}

function blank(field: string): Error {
  return fail('BAD_FIELD', `The field "${field}" is blank.`, {
    hint: 'Open the node and look where the field takes its value from.',
    detail: { field },
  });
}
