/** What the dialog of a service asks the runtime: a Test button that says whether it listens. */
export function serviceTest(node: EditorNode, prefix: string, url: string): void {
  const button = $(`#${prefix}-test`);
  const result = $(`#${prefix}-result`);
  const show = (text: string, colour: string): void => {
    result.text(text).css('color', `var(--red-ui-${colour})`);
  };
  button.on('click', (event) => {
    event.preventDefault();
    button.prop('disabled', true);
    show(node._(`${prefix}.test.working`), 'secondary-text-color');
    $.ajax({ url, method: 'POST', contentType: 'application/json', data: JSON.stringify({ id: node.id }) })
      .done((found: Record<string, string>) => show(node._(`${prefix}.test.found`, found), 'text-color-success'))
      .fail((reply: JQuery.jqXHR) => {
        const problem = (reply.responseJSON ?? {}) as { code?: string; message?: string; hint?: string };
        const words = problem.message ?? problem.code ?? node._(`${prefix}.test.failed`);
        show([words, problem.hint ?? ''].join('\n').trim(), 'text-color-error');
      })
      .always(() => button.prop('disabled', false));
  });
}
