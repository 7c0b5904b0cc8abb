import type { Red, RedNode } from './types.ts';

/**
 * What a node saved, with `${NAME}` in its paths read from the environment of its flow, then of Node-RED. A name that is
 * not set stays as it is, so that the error about the file says which one.
 */
export function withPaths<C extends object>(red: Red, node: RedNode, config: C, fields: readonly (keyof C)[]): C {
  const filled = fields.map((field) => [field, fill(red, node, config[field])] as const);
  return { ...config, ...Object.fromEntries(filled) };
}

function fill(red: Red, node: RedNode, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return value.replace(/\$\{(\w+)\}/g, (whole, name: string) => {
    const set: unknown = red.util.getSetting(node, name);
    return typeof set === 'string' && set !== '' ? set : whole;
  });
}
