// `npm run kills`: a provisioner is killed at random points of a batch, 500 times unless KEYWAY_KILLS says otherwise.
import { join } from 'node:path';
import { build, mocha, run } from './tools.mjs';

build();
run('kills', [mocha, '--timeout', '3600000', join('test', 'lib', 'osdp', 'provisioner', 'crash-kill.spec.ts')], {
  env: { KEYWAY_KILLS: process.env.KEYWAY_KILLS ?? '500' },
});
