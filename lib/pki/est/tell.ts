import type { EstEvent, EstOptions } from './types.ts';

/** Tells an event. Whoever listens may fail: that is no reason not to serve. */
export function tell({ onEvent }: Pick<EstOptions, 'onEvent'>, event: EstEvent): void {
  try {
    onEvent?.(event);
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : String(error));
  }
}
