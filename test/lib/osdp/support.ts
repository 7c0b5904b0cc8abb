import { readFileSync } from 'node:fs';
import type { Check, Sequence } from '../../../lib/osdp/index.ts';

export const bytes = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text.replace(/[^0-9a-fA-F]/g, ''), 'hex'));
export const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex').toUpperCase();
/** A key for tests that follows no pattern. */
export const KEY = bytes('8F 1C 44 E2 07 5B 93 D8 21 6A BE 05 F7 3C 90 4D');
export const OTHER_KEY = bytes('13 D7 6E 02 B9 58 C4 FA 0D 71 3B A6 E5 2F 98 40');

export const plain = (address: number, code: number, data = new Uint8Array(), sequence: Sequence = 0) => ({
  address,
  reply: false,
  sequence,
  check: 'crc' as Check,
  code,
  data,
});

export interface Exchange {
  session1: Record<string, string> & { keyset: Record<string, string>; ack: Record<string, string> };
  frames: { ms: number; baud: number; from: 'cp' | 'pd'; hex: string }[];
}

const data = (name: string) => readFileSync(new URL(`../../data/osdp/${name}`, import.meta.url), 'utf8');
export const exchange = (): Exchange => JSON.parse(data('libosdp-exchange.json')) as Exchange;

/** Frames of the trace with what an independent program made of each. Part 1 only: one panel, one reader. */
export function traceFrames(part = 1): { from: 'cp' | 'pd'; raw: Uint8Array; note: string; ms: number }[] {
  const text = data('libosdp-trace.txt').split(/^# ---- part/m)[part - 1] ?? '';
  const lines = text.split('\n');
  return lines.flatMap((line, i) => {
    const match = /^ *([\d.]+) +\d+ (cp|pd)\d* ([0-9A-F ]+)$/.exec(line);
    if (match === null || !/[<>] a=/.test(lines[i + 1] ?? '')) return [];
    const [, ms = '', from = '', raw = ''] = match;
    return [{ from: from as 'cp' | 'pd', raw: bytes(raw), note: lines[i + 1] ?? '', ms: Number(ms) }];
  });
}
