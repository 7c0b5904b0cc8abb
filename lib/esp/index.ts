/** Everything about chips that also runs in a browser. What needs Node is in node.ts. */
export * from './cache/index.ts';
export * from './chips.ts';
export * from './console/index.ts';
export { md5, sameBytes, sha256, toHex } from './digest.ts';
export { formatErrors } from './errors.ts';
export * from './formats/index.ts';
export * from './identity/index.ts';
export * from './inputs/index.ts';
export * from './nvs/index.ts';
export * from './plan/index.ts';
export * from './platform.ts';
export * from './session/index.ts';
export * from './slip.ts';
export * from './types.ts';
