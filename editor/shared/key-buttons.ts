import { askOn } from './ask.ts';

const FIELDS = [
  ...['file', 'keySource', 'keyFile', 'keyVariable', 'keyCredential'],
  ...['previousSource', 'previousFile', 'previousVariable', 'previousCredential', 'backups'],
];

/** The buttons of a registry's dialog: whether the key of its keystore is there, and making one. */
export function keyButtons(node: EditorNode): void {
  const asItStands = (): object => ({
    demo: $('#node-config-input-demo').prop('checked') === true,
    ...Object.fromEntries(FIELDS.map((name) => [name, String($(`#node-config-input-${name}`).val() ?? '')])),
  });
  const button = (id: string, path: string, word: 'found' | 'made'): void =>
    askOn<{ keyId: string; demo: boolean; path?: string }>(id, {
      node,
      result: $('#keyway-registry-result'),
      path,
      body: asItStands,
      working: node._('keyway-registry.test.working'),
      failed: node._('keyway-registry.test.failed'),
      done: ({ keyId, demo, path: where }) => {
        const kind = node._(`keyway-registry.test.${demo ? 'demo' : 'real'}`);
        return node._(`keyway-registry.test.${word}`, { key: keyId, kind, path: where ?? '' });
      },
    });
  button('#keyway-registry-test', 'keyway/registry/test', 'found');
  button('#keyway-registry-make', 'keyway/registry/make-key', 'made');
}
