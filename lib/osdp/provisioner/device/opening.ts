import { fail } from '../errors.ts';
import { Store, type StoredPlan } from '../store/index.ts';
import { type ProvisionerOptions, REWRITE_BYTES } from './options.ts';
import { idOf } from './plans.ts';
import { type Replayed, replay } from './state.ts';
import { WorkQueue } from './work-queue.ts';

/** Opens the store and reads its plans. @throws see `openProvisioner` */
export async function openPlans(options: ProvisionerOptions): Promise<{ store: Store; queues: readonly WorkQueue[] }> {
  const { log, keystore, wall: now = Date.now, rewriteBytes = REWRITE_BYTES } = options;
  const { store, plans } = await Store.open(options.folder, { keystore, now }, (event) => {
    if (event.event === 'log-damaged') {
      const { entry, what } = event.problem;
      const text = `The log is not what was written: entry ${entry}, ${what}. It goes on, and says so.`;
      log?.({ level: 'warning', event: event.event, text });
      return;
    }
    const text =
      event.event === 'tail-cut'
        ? `${event.bytes} bytes at the end of ${event.plan} were not written to their end; they were cut off.`
        : `The deletion of ${event.plan} was finished.`;
    log?.({ level: 'info', event: event.event, text });
  });
  try {
    const queues: WorkQueue[] = [];
    for (const plan of plans) {
      const { id, replayed } = read(plan);
      const { name, keyRecord, journal } = plan;
      const queue = new WorkQueue({ id, name, keystore, keyRecord, rewriteBytes }, replayed);
      plan.snapshot = queue.snapshot;
      queue.begin(journal);
      // Finds out now, not at the first reader, that the key of the keystore is another one.
      await queue.rewrap(store);
      // What was read may be in the memory of the system alone.
      await queue.settle();
      queues.push(queue);
    }
    return { store, queues };
  } catch (error) {
    for (const { journal } of plans) await journal.abandon();
    await store.close();
    throw error;
  }
}

function read({ name, records, cut }: StoredPlan): { id: NonNullable<ReturnType<typeof idOf>>; replayed: Replayed } {
  const id = idOf(name);
  const replayed = id === undefined ? undefined : replay(records, cut);
  if (id !== undefined && replayed !== undefined) return { id, replayed };
  throw fail('STORE_DAMAGED', `${name} in the store holds no plan of a provisioner.`, {
    hint: 'Restore its journal and its key file from the same backup, or move both away.',
    detail: { field: 'file', value: name },
  });
}
