import type { Application } from '../app/options.ts';
import type { SecureBoot } from '../boot/secure-boot.ts';
import type { Clock } from '../clock.ts';
import type { Line } from '../line/line.ts';
import type { FlashEncryption } from './encryption.ts';
import type { FlashMemory } from './flash.ts';
import type { ChipModel, KnownStub, ResetReason } from './models/model.ts';
import type { SecurityOptions } from './options.ts';
import type { Ram } from './ram.ts';
import type { Registers } from './registers.ts';

/** What the programs of a chip (ROM loader, stub, boot) find around them. */
export interface ChipContext {
  readonly model: ChipModel;
  readonly clock: Clock;
  readonly line: Line;
  /** As it is stored. */
  readonly flash: FlashMemory;
  readonly encryption: FlashEncryption;
  readonly secureBoot: SecureBoot;
  readonly registers: Registers;
  readonly ram: Ram;
  readonly security: SecurityOptions;
  readonly revision: { readonly major: number; readonly minor: number };
  /** How the application that an app with an identity goes on as is configured; undefined: it stops there. */
  readonly application: Application | undefined;
  /** A command was answered. `status` is 0 when it went well. */
  answered(by: 'rom' | 'stub', op: number, length: number, status: number): void;
  /** Anything worth knowing when a host does not get what it expects. */
  trace(text: string): void;
  /** The whole chip starts again. */
  reset(reason: ResetReason): void;
  /** Leaves the loader for the code in flash, without a reset. */
  runFlash(): void;
  runStub(stub: KnownStub): void;
  /** Runs code the chip cannot run: it panics and starts again. */
  crash(what: string): void;
}

/** Whatever has the chip's processor. */
export interface Program {
  received(bytes: Uint8Array): void;
  stop(): void;
}

/** What went wrong inside the flash counts as one operation: ms to wait, or null to wait for the next frame. */
export type Work = Generator<number | null, void, void>;
