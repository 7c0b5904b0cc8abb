/** The buttons of a registry's dialog: whether the key of its keystore is there, and making one. */
export function keyButtons(node: EditorNode): void {
  const result = $('#keyway-registry-result');
  const show = (text: string, color: 'secondary-text' | 'text-color-success' | 'text-color-error'): void => {
    result.text(text).css('color', `var(--red-ui-${color === 'secondary-text' ? 'secondary-text-color' : color})`);
  };
  const field = (name: string): string => String($(`#node-config-input-${name}`).val() ?? '');
  const asItStands = (): string =>
    JSON.stringify({
      demo: $('#node-config-input-demo').prop('checked') === true,
      file: field('file'),
      keySource: field('keySource'),
      keyFile: field('keyFile'),
      keyVariable: field('keyVariable'),
      keyCredential: field('keyCredential'),
    });
  const button = (id: string, path: string, word: 'found' | 'made'): void => {
    const pressed = $(id);
    pressed.on('click', (event) => {
      event.preventDefault();
      pressed.prop('disabled', true);
      show(node._('keyway-registry.test.working'), 'secondary-text');
      $.ajax({ url: path, method: 'POST', contentType: 'application/json', data: asItStands() })
        .done((key: { keyId: string; demo: boolean; path?: string }) => {
          const kind = node._(`keyway-registry.test.${key.demo ? 'demo' : 'real'}`);
          show(
            node._(`keyway-registry.test.${word}`, { key: key.keyId, kind, path: key.path ?? '' }),
            'text-color-success',
          );
        })
        .fail((reply: JQuery.jqXHR) => {
          const problem = (reply.responseJSON ?? {}) as { code?: string; message?: string; hint?: string };
          const words = problem.message ?? problem.code ?? node._('keyway-registry.test.failed');
          show([words, problem.hint ?? ''].join('\n').trim(), 'text-color-error');
        })
        .always(() => pressed.prop('disabled', false));
    });
  };
  button('#keyway-registry-test', 'keyway/registry/test', 'found');
  button('#keyway-registry-make', 'keyway/registry/make-key', 'made');
}
