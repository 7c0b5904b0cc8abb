// `npm run benchmark -- <name>`: measures, prints a table, writes build/benchmarks/<name>.json.
import { build, run } from './tools.mjs';

build();
run('benchmark', ['benchmarks/run.ts', ...process.argv.slice(2)]);
