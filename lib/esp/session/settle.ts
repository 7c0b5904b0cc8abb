import { type PartitionTable, tryDecodeTable } from '../formats/index.ts';
import { checkPlanAgainstChip, encryptPlan, planNeedsTable, settlePlan } from '../plan/index.ts';
import type { ChipFacts, FlashPlan } from '../types.ts';
import type { ChipSession } from './session.ts';

/** What Espressif's own tool assumes of a flash that cannot be asked, in bytes. */
export const SECURE_FLASH_SIZE = 2 << 20;

const TABLE_OFFSET = 0x8000;
const TABLE_BYTES = 0xc00;
/** Most tables end within this: sixteen entries. */
const TABLE_HEAD = 0x200;
const ENTRY = 32;

/**
 * The plan as it is to be carried out on this chip: held against the chip and, where it must be, against the table
 * that lies on it. `ready` is called before the table is read, to make the session fast.
 * @throws every guard that is met.
 */
export async function settle(
  session: ChipSession,
  plan: FlashPlan,
  options: {
    readonly force: readonly string[];
    readonly flashSize: number | undefined;
    readonly signal: AbortSignal | undefined;
    readonly ready: () => Promise<void>;
  },
): Promise<FlashPlan> {
  const { force, signal } = options;
  const { link } = session;
  const facts = session.verifies ? session.facts : withSize(session.facts, options.flashSize ?? SECURE_FLASH_SIZE);
  const reads = planNeedsTable(plan) && session.verifies;
  if (!reads) return settlePlan(plan, { facts, link: link.info, table: null, force });
  // What the chip itself forbids needs neither stub nor table.
  checkPlanAgainstChip(encryptPlan(plan, facts, null), facts, link.info, force);
  await options.ready();
  const table = (await ownTable(session, plan, signal)) ?? (await readTable(session, signal));
  return settlePlan(plan, { facts, link: link.info, table, force });
}

function withSize(facts: ChipFacts, size: number): ChipFacts {
  return { ...facts, flash: { manufacturer: 0, device: 0, size } };
}

/** The table that the plan brings, where the chip has it already: its MD5 takes far fewer bytes than it. */
async function ownTable(
  session: ChipSession,
  { steps }: FlashPlan,
  signal: AbortSignal | undefined,
): Promise<PartitionTable | null> {
  const own = steps.find(({ kind }) => kind === 'partition-table');
  if (own?.data === undefined || own.md5 === undefined || own.offset !== TABLE_OFFSET) return null;
  return (await session.md5(own.offset, own.size, { signal })) === own.md5 ? tryDecodeTable(own.data) : null;
}

/** The partition table on the chip; null where none is there or it is encrypted. */
async function readTable(session: ChipSession, signal: AbortSignal | undefined): Promise<PartitionTable | null> {
  const head = await session.readFlash(TABLE_OFFSET, TABLE_HEAD, { signal });
  const ends = head.subarray(-ENTRY).every((byte) => byte === 0xff);
  if (!ends) return tryDecodeTable(await session.readFlash(TABLE_OFFSET, TABLE_BYTES, { signal }));
  const whole = new Uint8Array(TABLE_BYTES).fill(0xff);
  whole.set(head);
  return tryDecodeTable(whole);
}
