import { isUtf8 } from 'node:buffer';
import type { DeviceName } from './types.ts';

/** MQTT gives a topic's length two bytes; we keep to less. */
export const TOPIC_MOST = 1024;

/** The prefix of a device's topics. */
export function prefixOf(template: string, { namespace, mac }: DeviceName): string {
  return template.replaceAll('{namespace}', namespace).replaceAll('{mac}', mac);
}

/** Control characters, and what is no character, are in no topic (MQTT 5 §1.5.4 lets a receiver refuse them). */
const UNWANTED = /[\p{Cc}\p{Cs}\ufffd\ufeff\ufffe\uffff]/u;

function isText(text: string): boolean {
  return text.length > 0 && Buffer.byteLength(text) <= TOPIC_MOST && !UNWANTED.test(text);
}

/** Whether it may be the topic of a message (MQTT §4.7). */
export function isTopic(topic: string): boolean {
  return isText(topic) && !/[+#]|^\$/.test(topic);
}

/** Whether it may be a filter: `#` alone in the last level, `+` alone in any. */
export function isFilter(filter: string): boolean {
  if (!isText(filter)) return false;
  const levels = filter.split('/');
  return levels.every((level, i) => !/[+#]/.test(level) || level === '+' || (level === '#' && i === levels.length - 1));
}

/** Whether a filter that `isFilter` takes fits a topic that `isTopic` takes. */
export function matches(filter: string, topic: string): boolean {
  if (!/[+#]/.test(filter)) return filter === topic;
  const wanted = filter.split('/');
  const levels = topic.split('/');
  for (const [i, level] of wanted.entries()) {
    // "a/#" fits "a" too (MQTT §4.7.1.2), so it is looked for before the topic ends.
    if (level === '#') return true;
    if (i >= levels.length) return false;
    if (level !== '+' && level !== levels[i]) return false;
  }
  return wanted.length === levels.length;
}

/** Whether the topic of a PUBLISH, as it came, is UTF-8: a decoded text no longer tells. */
export function topicIsUtf8(frame: Uint8Array, bodyAt: number): boolean {
  const length = ((frame[bodyAt] ?? 0) << 8) | (frame[bodyAt + 1] ?? 0);
  return isUtf8(frame.subarray(bodyAt + 2, bodyAt + 2 + length));
}
