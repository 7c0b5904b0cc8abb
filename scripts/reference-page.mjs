// docs/reference.md is the nodes' help and docs/errors.md the tables of codes, so that nothing is said twice.
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** @returns {string} one page, made from every node's English help */
export function referencePage() {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
  const pages = Object.keys(manifest['node-red'].nodes).map((type) => {
    const help = readFileSync(join('nodes', type, 'locales', 'en-US', `${type}.md`), 'utf8').trim();
    return `## ${type}\n\n${help}\n`;
  });
  return `# Reference\n\nMade from the help of the nodes by \`npm run reference\`.\n\n${pages.join('\n')}`;
}

/** @returns {Promise<Map<string, Record<string, string>>>} folder → its table of error codes */
export async function errorTables() {
  const files = globSync(['lib/**/errors.ts', 'nodes/shared/errors.ts', 'nodes/shared/*-errors.ts'])
    .map((file) => file.replaceAll('\\', '/'))
    .sort();
  const tables = new Map();
  for (const file of files) {
    const module = await import(pathToFileURL(resolve(file)).href);
    const [table] = Object.entries(module).filter(([name]) => name.endsWith('Errors'));
    tables.set(file.endsWith('/errors.ts') ? dirname(file) : file.replace(/\.ts$/, ''), table[1]);
  }
  return tables;
}

/** @returns {Promise<string>} one page, every code once an area */
export async function errorPage() {
  const parts = [...(await errorTables())].map(([area, table]) => {
    const rows = Object.entries(table).map(([code, meaning]) => `| \`${code}\` | ${meaning.replaceAll('|', '\\|')} |`);
    return `## ${area}\n\n| code | meaning |\n| --- | --- |\n${rows.join('\n')}\n`;
  });
  return `# Error codes\n\nMade from the tables in the sources by \`npm run reference\`. A code never changes its meaning.\n\n${parts.join('\n')}`;
}
