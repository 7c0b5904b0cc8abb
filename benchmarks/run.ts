/** `npm run benchmark -- <name>`: measures ratios against a peer or a computed limit in the same run. */
import { readdir } from 'node:fs/promises';
import { type Row, report } from './bench/report.ts';

const here = new URL('./', import.meta.url);
const names = (await readdir(here))
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts')
  .map((file) => file.slice(0, -3));
const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !names.includes(name));
if (wanted.length === 0 || unknown !== undefined) {
  console.error(unknown === undefined ? 'Name a benchmark.' : `There is no benchmark "${unknown}".`);
  console.error(`Choose from: ${names.join(', ')}`);
  process.exit(2);
}
let holds = true;
for (const name of wanted) {
  const { measure } = (await import(new URL(`${name}.ts`, here).href)) as { measure(): Promise<Row[]> };
  holds = (await report(name, await measure())) && holds;
}
process.exit(holds ? 0 : 1);
