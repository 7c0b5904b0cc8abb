import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { USAGE } from '../../../../../lib/osdp/provisioner/cli/options.ts';
import { FRAME_MOST } from '../../../../../lib/osdp/provisioner/link/frame.ts';
import { REQUESTS, VERSIONS } from '../../../../../lib/osdp/provisioner/link/messages.ts';
import { EXPORTER_LABEL } from '../../../../../lib/osdp/provisioner/link/pairing.ts';
import { OUTCOMES, STAGES } from '../../../../../lib/osdp/provisioner/types.ts';

const page = (name: string): string => readFileSync(new URL(`../../../../../${name}`, import.meta.url), 'utf8');

describe('the pages on the provisioner’s link', () => {
  it('name every request, outcome and stage, and the numbers of the protocol', () => {
    const text = page('docs/provisioner-link.md');
    for (const type of Object.keys(REQUESTS)) assert.ok(text.includes(`| \`${type}\` |`), `the request ${type}`);
    for (const word of [...OUTCOMES, ...STAGES]) assert.ok(text.includes(`\`${word}\``), word);
    for (const value of [EXPORTER_LABEL, String(FRAME_MOST), `version ${VERSIONS[0]}`])
      assert.ok(text.includes(value), value);
  });

  it('name only options and words that the program knows', () => {
    const pages = page('docs/provisioner-gateway.md') + page('examples/systemd/keyway-provisioner.service');
    const used = pages.match(/keyway-provisioner [^\n`|]*/g)?.join(' ') ?? '';
    const options = new Set(used.match(/--[a-z][a-z-]+/g));
    assert.ok(options.size >= 5);
    for (const option of options) assert.ok(USAGE.includes(option), option);
  });
});
