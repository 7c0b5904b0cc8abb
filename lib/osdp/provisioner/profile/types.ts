import type { PlanTerms } from '../types.ts';

export const PROFILE_KIND = 'keyway-provisioning-profile';
export const PROFILE_VERSION = 1;

/** The most characters that the JSON of a profile may have: every legal one stays far below. */
export const PROFILE_TEXT_MOST = 65_536;

/** How the readers get their addresses. */
export const ADDRESS_STRATEGIES = Object.freeze(['sequential', 'random', 'manual'] as const);
export type AddressStrategy = (typeof ADDRESS_STRATEGIES)[number];

/**
 * What a batch of readers is to become. Holds no secret: it may be kept, mailed and shown.
 * Times in milliseconds and hours, rates in baud.
 */
export interface ProvisioningProfile extends PlanTerms {
  readonly kind: typeof PROFILE_KIND;
  readonly version: typeof PROFILE_VERSION;
  /** How many readers, 1 … 126. */
  readonly count: number;
  readonly strategy: AddressStrategy;
  /** sequential: the first address. random: the lowest that may be drawn. manual: the first of the list. 0 … 126. */
  readonly startAddress: number;
  /** manual: the addresses in the order of the steps, each 0 … 126 and once. Else empty. */
  readonly addresses: readonly number[];
  /** The rate that every reader gets, one of BAUD_RATES. */
  readonly baudRate: number;
  /**
   * The serial number that each reader must have (PDID, 8 upper-case hex digits), in the order of the steps; a blank
   * lets any reader do. Empty = none is asked for.
   */
  readonly serials: readonly string[];
}

/** Something that a person should know before the plan is written. */
export interface ProfileWarning {
  /** FACTORY_ADDRESS: that reader is done last. SHORT_TIMEOUT: an attempt may well not end in that time. */
  readonly code: 'FACTORY_ADDRESS' | 'SHORT_TIMEOUT';
  readonly field: string;
  readonly text: string;
}

export interface CheckedProfile {
  readonly profile: ProvisioningProfile;
  readonly warnings: readonly ProfileWarning[];
}

/** What a field holds that was left out. */
export const PROFILE_DEFAULTS = Object.freeze({
  strategy: 'sequential',
  startAddress: 1,
  addresses: Object.freeze([]) as readonly number[],
  baudRate: 9600,
  capabilities: Object.freeze([]) as readonly string[],
  timeoutMs: 0,
  autoVerify: true,
  autonomous: false,
  armingHours: 8,
  bus: 'multi',
  factory: Object.freeze({ address: 0, baudRate: 9600 }),
  serials: Object.freeze([]) as readonly string[],
} as const);
