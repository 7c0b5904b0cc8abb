import { errorMaker } from '../../errors/index.ts';

/** What can go wrong between connecting to a chip and leaving it. Link errors (PORT_GONE, …) pass through as they are. */
export const sessionErrors = {
  NO_ANSWER: 'nothing came back from the chip: no power, wrong port, or crossed wires',
  WRONG_BOOT_MODE: 'the chip started its firmware instead of the loader',
  CHIP_SILENT: 'the chip says it waits for a download but does not answer: its receive line is not connected',
  CHIP_STOPPED: 'the chip answered before and stopped answering',
  CHIP_REFUSED: 'the loader refused a command, with the status it gave',
  BOARD_RESET: 'the board restarted in the middle of the work: usually its power supply',
  UNKNOWN_CHIP: 'the chip is of a family nobody here knows',
  STUB_FAILED: 'the flasher stub did not start',
  BAUD_FAILED: 'the chip did not answer at the new line rate',
  MD5_MISMATCH: 'the flash does not hold what was written, twice',
  NOT_ERASED: 'the flash is not blank after an erase',
  READ_CORRUPT:
    'what was read from the flash does not match its checksum, or the chip tells of itself differently each time',
  NEEDS_STUB: 'the operation needs the flasher stub, which is not running',
  BAD_RANGE: 'an offset or size that is negative, not a whole number or not a multiple of what it must be',
  NO_BYTES: 'a step of a plan has neither bytes nor a recipe for them',
  NO_SECRETS: 'a recipe names a handle, and there is nobody who could redeem it',
  DEVICE_NOT_BACK: 'the board whose port was lost did not come back in time',
  BOARD_UNKNOWN: 'a port was lost, and nothing tells whether the board that came back is the same',
  CANCELLED: 'somebody cancelled the operation',
  SESSION_BUSY: 'the session is busy with another operation',
} as const;

/** Things worth knowing about a run that stopped nothing. */
export const sessionNotes = {
  BOARD_RESTARTED: 'the board restarted in the middle of the work, which went on after: usually its power supply',
  RATE_LOWERED: 'the line did not carry the rate that was asked for',
  FLASH_SIZE_ASSUMED: 'the chip cannot be asked how large its flash is, and nobody said',
  CACHE_FAILED: 'the cache of images could not be read or written: more was written than had to be',
} as const;

export const fail = errorMaker(sessionErrors);

/** @throws CANCELLED when the signal is aborted. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled(signal);
}

/** The error an aborted signal stands for. */
export function cancelled(signal: AbortSignal): Error {
  return fail('CANCELLED', 'The operation was cancelled.', { cause: signal.reason });
}
