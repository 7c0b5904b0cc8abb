import type { ChipModel } from '../chip/models/model.ts';

const ONE_CORE: readonly string[] = ['esp32c3'];

export function hasOneCore({ id }: ChipModel): boolean {
  return ONE_CORE.includes(id);
}
