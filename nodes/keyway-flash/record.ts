import type { ChipFacts, FlashPlan, FlashResult } from '../../lib/esp/index.ts';
import type { Job } from '../shared/jobs.ts';

/** What is written down of a unit, whether it went well or not: one flat object a unit, ready for CSV. */
export interface ProductionRecord {
  readonly time: string;
  readonly job: string;
  readonly port: string;
  readonly result: 'ok' | 'failed';
  /** Why it failed; null when it did not. */
  readonly code: string | null;
  readonly mac: string | null;
  readonly chip: string | null;
  readonly revision: number | null;
  readonly name: string;
  readonly version: string | null;
  /** `name@offset:sha256` of each image, with blanks between. */
  readonly images: string;
  readonly forced: string;
  readonly bytes: number;
  readonly seconds: number;
  readonly baudRate: number | null;
}

export function recordOf(job: Job, plan: FlashPlan, result: FlashResult, port: string): ProductionRecord {
  return {
    ...common(job, plan, result.chip, port),
    result: 'ok',
    code: null,
    bytes: result.bytes,
    seconds: result.seconds,
    baudRate: result.baudRate,
    forced: result.notes.map(({ code }) => code).join(' '),
  };
}

export function failedRecord(
  job: Job,
  plan: FlashPlan,
  chip: ChipFacts | undefined,
  port: string,
  code: string,
): ProductionRecord {
  const base = common(job, plan, chip, port);
  return { ...base, result: 'failed', code, bytes: 0, seconds: job.seconds(), baudRate: null, forced: '' };
}

function common(job: Job, plan: FlashPlan, chip: ChipFacts | undefined, port: string) {
  const images = plan.steps
    .filter((step) => step.action === 'write')
    .map((step) => `${step.name.replaceAll(' ', '_')}@0x${step.offset.toString(16)}:${step.sha256 ?? ''}`);
  return {
    time: new Date().toISOString(),
    job: job.id,
    port,
    mac: chip?.mac ?? null,
    chip: chip?.name ?? null,
    revision: chip?.revision ?? null,
    name: plan.name,
    version: plan.version ?? null,
    images: images.join(' '),
  };
}
