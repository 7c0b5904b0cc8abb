// Everything that is wrong without running the product: types, lint, format.
import { biome, build, run, tsc } from './tools.mjs';

build();
run('type check of the tests', [tsc, '-p', 'test']);
run('type check of the benchmarks', [tsc, '-p', 'benchmarks']);
run('lint and format', [biome, 'check', '--error-on-warnings', '.']);
