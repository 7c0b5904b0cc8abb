import { fail } from '../../errors.ts';
import { esp32 } from './esp32.ts';
import { esp32c3 } from './esp32c3.ts';
import { esp32s3 } from './esp32s3.ts';
import type { ChipModel } from './model.ts';

const MODELS: readonly ChipModel[] = [esp32, esp32s3, esp32c3];

/** Names of the chips that the bench has. */
export const CHIP_MODELS: readonly string[] = MODELS.map(({ id }) => id);

/** Finds a model by any spelling of its name. @throws BAD_CHIP_MODEL */
export function findModel(name: string): ChipModel {
  const wanted = name.toLowerCase().replace(/[^a-z0-9]/g, '');
  const model = MODELS.find(({ id }) => id === wanted);
  if (model === undefined) {
    throw fail('BAD_CHIP_MODEL', `The bench has no chip "${name}".`, {
      hint: `Use one of: ${CHIP_MODELS.join(', ')}.`,
      detail: { field: 'model', value: name },
    });
  }
  return model;
}
