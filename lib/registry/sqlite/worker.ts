/** The thread of the embedded store. Its data says which file, and whether it serves it or copies it. */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { Control, FromWorker, Request, ToWorker } from './messages.ts';
import { backup, problemOf, SqliteStore, type StoreOptions } from './store.ts';

export type WorkerTask =
  | { readonly task: 'serve'; readonly options: StoreOptions }
  | { readonly task: 'backup'; readonly path: string; readonly target: string };

if (parentPort !== null) begin(parentPort, workerData as WorkerTask);

function begin(port: MessagePort, task: WorkerTask): void {
  if (task.task === 'serve') {
    serve(port, new SqliteStore(task.options));
    return;
  }
  try {
    backup(task.path, task.target);
    port.postMessage({ replies: [{ id: 0, value: undefined }], events: [] } satisfies FromWorker);
  } catch (error) {
    port.postMessage({ replies: [{ id: 0, problem: problemOf(error as Error) }], events: [] } satisfies FromWorker);
  }
}

/** Devices whose hints are loaded between two turns: a fraction of a millisecond. */
const HINTS = 1000;

function serve(port: MessagePort, store: SqliteStore): void {
  let loading = false;
  const load = (): void => {
    loading = store.loadHints(HINTS);
    if (loading) setImmediate(load);
  };
  const queue: (Request | { id: number; control: Control })[] = [];
  const take = (message: ToWorker): void => {
    if ('requests' in message) queue.push(...message.requests);
    else queue.push(message);
  };
  /** Whatever has arrived meanwhile joins the group. */
  const more = (): void => {
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
      take(next.message);
  };
  port.on('message', (message: ToWorker) => {
    take(message);
    more();
    while (queue.length > 0) {
      const first = queue[0];
      if (first !== undefined && 'control' in first) {
        queue.shift();
        port.postMessage(controlled(store, first.id, first.control));
        if (first.control.do === 'close') port.close();
        // A registry that was started, or restored, starts without hints.
        if (!loading) load();
      } else {
        port.postMessage(group(store, queue, more));
      }
    }
  });
}

/** The requests up to the next control run as one group, or as several. */
function group(
  store: SqliteStore,
  queue: (Request | { id: number; control: Control })[],
  more: () => void,
): FromWorker {
  const end = queue.findIndex((one) => 'control' in one);
  const requests = queue.splice(0, end < 0 ? queue.length : end) as Request[];
  const answer = store.group(requests, () => {
    more();
    while (queue[0] !== undefined && !('control' in queue[0])) requests.push(queue.shift() as Request);
  });
  queue.unshift(...requests);
  return answer;
}

function controlled(store: SqliteStore, id: number, control: Control): FromWorker {
  try {
    switch (control.do) {
      case 'open':
        return { replies: [{ id, value: store.open(control.now) }], events: [] };
      case 'start':
        return answered(id, store.start(control.auditKey, control.sealed, control.now));
      case 'inspect':
        return { replies: [{ id, value: store.inspect(control.source, control.now) }], events: [] };
      case 'restore':
        return answered(id, store.restore(control.now, control.by));
      case 'discard':
        store.discard();
        return answered(id, []);
      case 'close':
        store.close();
        return answered(id, []);
    }
  } catch (error) {
    return { replies: [{ id, problem: problemOf(error as Error) }], events: [] };
  }
}

function answered(id: number, events: FromWorker['events']): FromWorker {
  return { replies: [{ id, value: undefined }], events };
}
