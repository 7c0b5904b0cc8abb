import type { ChipFacts, FlashPlan } from '../types.ts';
import type { GuardBook } from './errors.ts';

/** `HMAC_UP`: a key block whose key the chip's software may use through the HMAC engine (ESP-IDF, efuse key purposes). */
const HMAC_UP = 8;
/** Families without an HMAC engine that do not say what their key blocks are for. */
const WITHOUT_ENGINE = ['ESP8266', 'ESP32'];

/** NVS whose keys the chip is to derive from a key in its efuses is lost on one that has none. @throws NVS_NO_HMAC_KEY */
export function checkHmacKey(plan: FlashPlan, { name, security }: ChipFacts, guards: GuardBook): void {
  const wanted = [
    ...plan.steps.map((step) => ({ label: step.name, nvs: step.nvs })),
    ...(plan.unplaced ?? []).map(({ partition, nvs }) => ({ label: partition, nvs })),
  ].filter(({ nvs }) => nvs?.encryption.scheme === 'hmac');
  const hasEngine = !WITHOUT_ENGINE.includes(name);
  const { keyPurposes } = security;
  if (wanted.length === 0 || (hasEngine && (keyPurposes === null || keyPurposes.includes(HMAC_UP)))) return;
  const labels = wanted.map(({ label }) => `"${label}"`).join(', ');
  const why = hasEngine ? 'has no HMAC key in its efuses' : 'has no HMAC engine';
  guards.meet(
    'NVS_NO_HMAC_KEY',
    `NVS ${labels} is to be encrypted with keys that the ${name} derives by HMAC, and it ${why}.`,
    {
      hint: hasEngine
        ? 'Burn the key into a key block with the purpose HMAC_UP first, or encrypt with nvs_keys.'
        : 'Encrypt with nvs_keys, or use a chip that has the engine.',
      detail: { field: 'nvs', value: 'hmac', chip: name, keyPurposes },
    },
  );
}
