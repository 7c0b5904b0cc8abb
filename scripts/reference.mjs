import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorPage, referencePage } from './reference-page.mjs';

mkdirSync('docs', { recursive: true });
writeFileSync(join('docs', 'reference.md'), referencePage());
writeFileSync(join('docs', 'errors.md'), await errorPage());
