/** What the dialog of a port asks the runtime. */

interface FoundPort {
  address: string;
  name: string;
  about: string;
  heldBy?: string;
}

/** Offers the ports that are plugged in while an address is typed. */
export function offerPorts(input: JQuery): void {
  input.autoComplete({
    minLength: 0,
    search: (value, done) => {
      void fetchPorts().then((ports) => {
        const wanted = value.toLowerCase();
        done(
          ports
            .filter((port) => `${port.address} ${port.about}`.toLowerCase().includes(wanted))
            .map((port) => ({
              value: port.address,
              label: `${port.address}${port.about === '' ? '' : ` · ${port.about}`}`,
            })),
        );
      });
    },
  });
}

async function fetchPorts(): Promise<FoundPort[]> {
  try {
    return (await $.getJSON('keyway/ports')) as FoundPort[];
  } catch {
    // No list is no reason to keep anyone from typing an address.
    return [];
  }
}

/** The Test button: asks the runtime to find the chip on the port as it stands in the dialog. */
export function testButton(node: EditorNode): void {
  const button = $('#keyway-port-test');
  const result = $('#keyway-port-result');
  const show = (text: string, good: boolean | null): void => {
    const color =
      good === null
        ? '--red-ui-secondary-text-color'
        : good
          ? '--red-ui-text-color-success'
          : '--red-ui-text-color-error';
    result.text(text).css('color', `var(${color})`);
  };
  const field = (name: string): string => String($(`#node-config-input-${name}`).val() ?? '');
  button.on('click', (event) => {
    event.preventDefault();
    button.prop('disabled', true);
    show(node._('keyway-port.test.working'), null);
    $.ajax({
      url: 'keyway/ports/test',
      method: 'POST',
      contentType: 'application/json',
      data: JSON.stringify({
        kind: field('kind'),
        address: field('address'),
        chip: field('chip'),
        serial: field('serial'),
      }),
    })
      .done((found: { description: string; mac: string | null }) =>
        show(node._('keyway-port.test.found', { chip: found.description, mac: found.mac ?? '?' }), true),
      )
      .fail((reply: JQuery.jqXHR) => {
        const problem = (reply.responseJSON ?? {}) as { code?: string; message?: string; hint?: string };
        show(
          [problem.message ?? problem.code ?? node._('keyway-port.test.failed'), problem.hint ?? ''].join('\n').trim(),
          false,
        );
      })
      .always(() => button.prop('disabled', false));
  });
}
