/** A worker thread of pool.ts: makes certificates of what it is sent, a batch at a time. */
import type { KeyObject } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { KeywayError } from '../../errors/index.ts';
import type { TemplateTerms } from '../certificate/template.ts';
import { Issuer, type Minted, type MintOrder } from './mint.ts';

/** What a worker is told. */
export type ToWorker =
  | { readonly issuer: string; readonly terms: TemplateTerms; readonly key: KeyObject }
  | { readonly jobs: readonly { readonly issuer: string; readonly order: MintOrder }[] };

/** What comes of a job: errors lose their class on the way. */
export type FromWorker =
  | Minted
  | {
      readonly code: string;
      readonly message: string;
      readonly hint?: string | undefined;
      readonly detail?: Readonly<Record<string, unknown>> | undefined;
    };

const issuers = new Map<string, Issuer>();

parentPort?.on('message', (told: ToWorker) => {
  if ('terms' in told) issuers.set(told.issuer, new Issuer(told.terms, told.key));
  else parentPort?.postMessage(told.jobs.map(done));
});

function done({ issuer, order }: { issuer: string; order: MintOrder }): FromWorker {
  try {
    const found = issuers.get(issuer);
    if (found === undefined) return { code: 'WORKER_LOST', message: 'The worker does not know the issuer.' };
    return found.mint(order);
  } catch (error) {
    if (error instanceof KeywayError) {
      const { code, message, hint, detail } = error;
      return { code, message, hint, detail };
    }
    return { code: 'WORKER_LOST', message: 'The worker could not make the certificate.' };
  }
}
