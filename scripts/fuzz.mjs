// The fuzz specs with many inputs: KEYWAY_FUZZ a parser, 100,000 unless told.
import { build, mocha, run } from './tools.mjs';

build();
run('fuzz', [mocha, '--timeout', '600000', 'test/**/*.fuzz.spec.ts'], {
  env: { KEYWAY_FUZZ: process.env.KEYWAY_FUZZ ?? '100000' },
});
