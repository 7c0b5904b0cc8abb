/** What the dialog of an OSDP bus asks the runtime. */

interface TriedOut {
  baudRate: number;
  readers: { address: number; code: string | null }[];
}

/** The Test button: has the deployed bus ask each of its readers once. */
export function busTestButton(node: EditorNode): void {
  const button = $('#keyway-osdp-test');
  const result = $('#keyway-osdp-result');
  const show = (text: string, colour: string): void => {
    result.text(text).css('color', `var(--red-ui-${colour})`);
  };
  button.on('click', (event) => {
    event.preventDefault();
    button.prop('disabled', true);
    show(node._('keyway-osdp-bus.test.working'), 'secondary-text-color');
    $.ajax({
      url: 'keyway/osdp/test',
      method: 'POST',
      contentType: 'application/json',
      data: JSON.stringify({ bus: node.id }),
    })
      .done((tried: TriedOut) => {
        const { baudRate, readers } = tried;
        const silent = readers.filter(({ code }) => code !== null);
        const counts = { count: String(readers.length - silent.length), total: String(readers.length) };
        const lines = [node._('keyway-osdp-bus.test.answer', { ...counts, baudRate: String(baudRate) })];
        for (const { address, code } of silent) lines.push(`${address}: ${code}`);
        show(lines.join('\n'), silent.length === 0 ? 'text-color-success' : 'text-color-error');
      })
      .fail((reply: JQuery.jqXHR) => {
        const problem = (reply.responseJSON ?? {}) as { code?: string; message?: string; hint?: string };
        const words = problem.message ?? problem.code ?? node._('keyway-osdp-bus.test.failed');
        show([words, problem.hint ?? ''].join('\n').trim(), 'text-color-error');
      })
      .always(() => button.prop('disabled', false));
  });
}
