import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorPage, errorTables, referencePage } from '../../scripts/reference-page.mjs';
import { filesBelow, root } from './sources.ts';

const text = (path: string) => readFileSync(join(root, path), 'utf8');
const helps = filesBelow('nodes', (path) => path.endsWith('.md'));

describe('the documents', () => {
  it('docs/reference.md is what the help says (else: npm run reference)', () => {
    assert.equal(text('docs/reference.md'), referencePage());
  });

  it('docs/errors.md is what the tables say (else: npm run reference)', async () => {
    assert.equal(text('docs/errors.md'), await errorPage());
  });

  it('every code that a help explains is a code of ours', async () => {
    const known = new Set([...(await errorTables()).values()].flatMap((table) => Object.keys(table)));
    const wrong: string[] = [];
    for (const path of helps) {
      const [, errors = ''] = text(path).split(/^### Errors$/m);
      const codes = [...errors.matchAll(/`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)`/g)].map((match) => match[1] ?? '');
      assert.ok(codes.length > 0, `${path} explains no code`);
      wrong.push(...codes.filter((code) => !known.has(code)).map((code) => `${path}: ${code}`));
    }
    assert.deepEqual(wrong, []);
  });

  it('every code that a source names without its area’s maker is in a table', async () => {
    const known = new Set([...(await errorTables()).values()].flatMap((table) => Object.keys(table)));
    const sources = ['lib', 'nodes'].flatMap((folder) => filesBelow(folder, (path) => path.endsWith('.ts')));
    const named = sources.flatMap((path) =>
      [...text(path).matchAll(/new KeywayError\(\s*'([^']+)'/g)].map((match) => match[1] ?? ''),
    );
    assert.ok(named.length > 0);
    assert.deepEqual(
      named.filter((code) => !known.has(code)),
      [],
    );
  });

  for (const page of ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'SECURITY-CHECKS.md', 'CHANGELOG.md']) {
    it(`${page} links only to what exists`, () => {
      const links = [...text(page).matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map((match) => decodeURI(match[1] ?? ''));
      assert.deepEqual(
        links.filter((link) => !existsSync(join(root, link))),
        [],
      );
    });
  }

  it('SECURITY-CHECKS.md names only tests that exist', () => {
    const named = [...text('SECURITY-CHECKS.md').matchAll(/`(test\/[^`]+)`/g)].map((match) => match[1] ?? '');
    assert.ok(named.length >= 6);
    assert.deepEqual(
      named.filter((path) => !existsSync(join(root, path))),
      [],
    );
  });

  it('name no path of somebody’s machine', () => {
    const pages = filesBelow('docs', (path) => path.endsWith('.md'));
    for (const page of [...pages, 'README.md', 'SECURITY.md']) assert.doesNotMatch(text(page), /\/(root|home)\//, page);
  });
});
