import type { ChipFacts, FlashPlan, FlashResult } from '../esp/index.ts';

/** What is written down of a unit, whether it went well or not: one flat object a unit, in the order of its columns. */
export interface ProductionRecord {
  /** When the work ended: ISO 8601, UTC. */
  readonly time: string;
  readonly job: string;
  readonly port: string;
  readonly result: 'ok' | 'failed';
  /** Why it failed; null when it did not. */
  readonly code: string | null;
  /** Base MAC, lower case with colons. */
  readonly mac: string | null;
  /** The number on the unit, when it has one. */
  readonly serial: string | null;
  /** Family: "ESP32-C3". */
  readonly chip: string | null;
  /** Silicon revision, major × 100 + minor. */
  readonly revision: number | null;
  /** What was flashed. */
  readonly name: string;
  readonly version: string | null;
  /** `name@offset:sha256` of each image, with blanks between. */
  readonly images: string;
  /** Serial number of the unit's certificate, in hex. */
  readonly certificate: string | null;
  /** Who did it. */
  readonly operator: string | null;
  /** Codes of what was overridden or left unverified, with blanks between. */
  readonly notes: string;
  /** Bytes of the images. */
  readonly bytes: number;
  /** Rate at the end, in baud. */
  readonly baudRate: number | null;
  /** How often the port was lost and found again. */
  readonly resumed: number;
  /** How long it took. Never blank, so that a row without it was torn. */
  readonly seconds: number;
}

/** What is known of a unit beside what flashing tells. */
export interface RecordFacts {
  readonly job: string;
  readonly port: string;
  readonly serial?: string | null;
  readonly certificate?: string | null;
  readonly operator?: string | null;
  /** Default: now. */
  readonly time?: Date;
}

/** The record of a unit that was flashed. */
export function recordOf(facts: RecordFacts, plan: FlashPlan, result: FlashResult): ProductionRecord {
  return assemble(facts, plan, result.chip, {
    result: 'ok',
    code: null,
    notes: result.notes.map(({ code }) => code).join(' '),
    bytes: result.bytes,
    baudRate: result.baudRate,
    resumed: result.resumed,
    seconds: result.seconds,
  });
}

/** The record of a unit that was not. `chip` is what was found, if that far was come. */
export function failedRecord(
  facts: RecordFacts,
  plan: FlashPlan,
  failure: { code: string; seconds: number; chip?: ChipFacts | undefined; resumed?: number },
): ProductionRecord {
  const { code, seconds, chip, resumed = 0 } = failure;
  return assemble(facts, plan, chip, {
    result: 'failed',
    code,
    notes: '',
    bytes: 0,
    baudRate: null,
    resumed,
    seconds,
  });
}

type Ended = Pick<ProductionRecord, 'result' | 'code' | 'notes' | 'bytes' | 'baudRate' | 'resumed' | 'seconds'>;

function assemble(facts: RecordFacts, plan: FlashPlan, chip: ChipFacts | undefined, ended: Ended): ProductionRecord {
  const images = plan.steps
    .filter((step) => step.action === 'write')
    .map((step) => `${step.name.replaceAll(' ', '_')}@0x${step.offset.toString(16)}:${step.sha256 ?? ''}`);
  return {
    time: (facts.time ?? new Date()).toISOString(),
    job: facts.job,
    port: facts.port,
    result: ended.result,
    code: ended.code,
    mac: chip?.mac ?? null,
    serial: facts.serial ?? null,
    chip: chip?.name ?? null,
    revision: chip?.revision ?? null,
    name: plan.name,
    version: plan.version ?? null,
    images: images.join(' '),
    certificate: facts.certificate ?? null,
    operator: facts.operator ?? null,
    notes: ended.notes,
    bytes: ended.bytes,
    baudRate: ended.baudRate,
    resumed: ended.resumed,
    seconds: ended.seconds,
  };
}
