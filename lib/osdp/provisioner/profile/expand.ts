import type { PlanTerms, StepPlan } from '../types.ts';
import type { ProvisioningProfile } from './types.ts';

/** A whole number from 0 up to, not including, `below`; every one as likely. */
export type RandomBelow = (below: number) => number;

const LAST_ADDRESS = 126;

/** From the system's generator for keys. @param below 1 … 256 */
export const secureBelow: RandomBelow = (below) => {
  const byte = new Uint8Array(1);
  // A plain remainder would make the low numbers likelier.
  const fair = 256 - (256 % below);
  do crypto.getRandomValues(byte);
  while ((byte[0] as number) >= fair);
  return (byte[0] as number) % below;
};

/**
 * The steps of a checked profile, in the order in which they are done. Where several readers share the wires, the one
 * that gets the factory's address comes last: until then that address is where new readers are found.
 */
export function expandProfile(profile: ProvisioningProfile, random: RandomBelow = secureBelow): StepPlan[] {
  const { baudRate, serials, bus, factory } = profile;
  const steps = addressesOf(profile, random).map((address, at): StepPlan => {
    const serial = serials[at] ?? '';
    return { address, baudRate, ...(serial === '' ? {} : { serial }) };
  });
  if (bus === 'single') return steps;
  const last = steps.filter(({ address }) => address === factory.address);
  return [...steps.filter(({ address }) => address !== factory.address), ...last];
}

/** How the steps are done: what is sealed with them. */
export function termsOf(profile: ProvisioningProfile): PlanTerms {
  const { name, bus, factory, capabilities, timeoutMs, autoVerify, autonomous, armingHours } = profile;
  return { name, bus, factory, capabilities, timeoutMs, autoVerify, autonomous, armingHours };
}

function addressesOf(profile: ProvisioningProfile, random: RandomBelow): readonly number[] {
  const { strategy, startAddress, count, addresses } = profile;
  if (strategy === 'manual') return addresses;
  const free = Array.from({ length: LAST_ADDRESS - startAddress + 1 }, (_unused, at) => startAddress + at);
  if (strategy === 'sequential') return free.slice(0, count);
  return Array.from({ length: count }, () => free.splice(random(free.length), 1)[0] as number);
}
