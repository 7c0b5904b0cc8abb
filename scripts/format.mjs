import { biome, run } from './tools.mjs';

run('format', [biome, 'check', '--write', '.']);
