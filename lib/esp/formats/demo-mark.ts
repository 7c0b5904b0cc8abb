/**
 * The mark of images that this project builds for demos and tests: they are valid in every way and hold no code, so
 * no real chip should get them. It stands in the first segment and again in the descriptor's IDF version.
 */

import { type IdentityLayoutName, isIdentityLayout } from '../identity/layouts.ts';
import type { NvsEncryption } from '../nvs/types.ts';

export const DEMO_IDF_VERSION = 'keyway-demo';
const MAGIC = new TextEncoder().encode('KEYWAY-DEMO-IMG\0');
/** Of the text, and of what the app declares. */
const LENGTH_BYTES = 4;
/** Behind it the file header, the segment's header and a descriptor of either kind have ended. */
const SEARCH_BYTES = 1024;
const MAX_MESSAGE = 4096;
const MAX_DECLARED = 64;

interface Span {
  readonly offset: number;
  readonly length: number;
}

/** An identity that a demo app looks for in NVS when it runs on the virtual bench. */
export interface DemoIdentity {
  readonly layout: IdentityLayoutName;
  /**
   * How the firmware was built to find its NVS partition; one that finds it otherwise has no identity. Left out, it
   * takes what it finds.
   */
  readonly nvs?: NvsEncryption['scheme'];
}

const SCHEMES: readonly unknown[] = ['none', 'nvs_keys', 'hmac'] satisfies NvsEncryption['scheme'][];
const isScheme = (text: unknown): text is NvsEncryption['scheme'] => SCHEMES.includes(text);

/** Whether what a demo app is to declare can be declared. */
export function isDemoIdentity({ layout, nvs }: DemoIdentity): boolean {
  return isIdentityLayout(layout) && (nvs === undefined || isScheme(nvs));
}

/** The mark with its text and what the app declares, in whole words. */
export function encodeDemoMark(message: string, identity?: DemoIdentity): Uint8Array {
  const text = new TextEncoder().encode(message).subarray(0, MAX_MESSAGE);
  const declared = new TextEncoder().encode(
    identity === undefined ? '' : `identity ${identity.layout} ${identity.nvs ?? 'any'}`,
  );
  const start = MAGIC.length + LENGTH_BYTES;
  const bytes = new Uint8Array(Math.ceil((start + text.length + declared.length) / 4) * 4);
  bytes.set(MAGIC);
  const view = new DataView(bytes.buffer);
  view.setUint16(MAGIC.length, text.length, true);
  view.setUint16(MAGIC.length + 2, declared.length, true);
  bytes.set(text, start);
  bytes.set(declared, start + text.length);
  return bytes;
}

function findMark(bytes: Uint8Array, first: Span | undefined): number {
  if (first === undefined) return -1;
  const end = Math.min(first.offset + Math.min(first.length, SEARCH_BYTES), bytes.length) - MAGIC.length - LENGTH_BYTES;
  for (let at = first.offset; at <= end; at += 4) {
    if (MAGIC.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}

export const hasDemoMark = (bytes: Uint8Array, first: Span | undefined): boolean => findMark(bytes, first) >= 0;

/** The first segment as the header of a file puts it, without judging the rest. */
function firstSegment(bytes: Uint8Array): Span | undefined {
  if (bytes.length < 32 || bytes[0] !== 0xe9) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(28, true);
  return { offset: 32, length: Math.min(length, bytes.length - 32) };
}

/** Whether the bytes are one of our own demo images, whole or damaged. */
export function isDemoImage(bytes: Uint8Array): boolean {
  return hasDemoMark(bytes, firstSegment(bytes));
}

/** What a demo app says when it runs on the virtual bench, line by line; null when the bytes are no demo image. */
export function demoMessage(bytes: Uint8Array): string | null {
  return readMark(bytes)?.message ?? null;
}

/** The identity that a demo app looks for; null when it looks for none, or the bytes are no demo image. */
export function demoIdentity(bytes: Uint8Array): DemoIdentity | null {
  const [kind, layout, nvs] = readMark(bytes)?.declared.split(' ') ?? [];
  if (kind !== 'identity' || !isIdentityLayout(layout)) return null;
  return isScheme(nvs) ? { layout, nvs } : { layout };
}

function readMark(bytes: Uint8Array): { message: string; declared: string } | null {
  const segment = firstSegment(bytes);
  const at = findMark(bytes, segment);
  if (segment === undefined || at < 0) return null;
  const start = at + MAGIC.length + LENGTH_BYTES;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, MAGIC.length + LENGTH_BYTES);
  const end = segment.offset + segment.length;
  const middle = Math.min(start + Math.min(view.getUint16(MAGIC.length, true), MAX_MESSAGE), end);
  const last = Math.min(middle + Math.min(view.getUint16(MAGIC.length + 2, true), MAX_DECLARED), end);
  const decoder = new TextDecoder();
  return {
    message: decoder.decode(bytes.subarray(start, middle)),
    declared: decoder.decode(bytes.subarray(middle, last)),
  };
}
