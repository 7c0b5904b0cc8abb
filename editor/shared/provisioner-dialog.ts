/** What the dialog of a provisioner asks the runtime. */

interface Limits {
  slots: number;
  steps: number;
}

interface TriedOut {
  /** It is deployed, and this Node-RED is its host. */
  attached?: boolean;
  name: string;
  version?: string;
  software?: string;
  modes: string[];
  limits?: Limits;
  bus?: { state: string; text: string };
  /** Its certificate is the one that it was paired with. */
  known?: boolean;
  paired?: boolean;
  host?: { name: string } | null;
}

interface FoundOne {
  address: string;
  name: string;
  modes: string[];
}

/** The buttons: Test, Find, Pair. */
export function provisionerButtons(node: EditorNode): void {
  const result = $('#keyway-provisioner-result');
  const show = (text: string, colour: string): void => {
    result.text(text).css('color', `var(--red-ui-${colour})`);
  };
  const field = (name: string): string => String($(`#node-config-input-${name}`).val() ?? '');
  const asItStands = (): Record<string, string> => {
    const names = ['kind', 'address', 'device', 'keySource', 'keyFile', 'keyVariable', 'keyCredential'];
    return {
      ...Object.fromEntries(names.map((name) => [name, field(name)])),
      id: node.id,
      code: String($('#keyway-provisioner-code').val() ?? ''),
    };
  };
  const button = <T>(word: 'test' | 'find' | 'pair', done: (reply: T) => void): void => {
    const pressed = $(`#keyway-provisioner-${word}`);
    pressed.on('click', (event) => {
      event.preventDefault();
      pressed.prop('disabled', true);
      show(node._('keyway-provisioner.test.working'), 'secondary-text-color');
      $.ajax({
        url: `keyway/provisioner/${word}`,
        method: 'POST',
        contentType: 'application/json',
        data: JSON.stringify(asItStands()),
      })
        .done((reply: T) => done(reply))
        .fail((reply: JQuery.jqXHR) => {
          const problem = (reply.responseJSON ?? {}) as { code?: string; message?: string; hint?: string };
          const words = problem.message ?? problem.code ?? node._('keyway-provisioner.test.failed');
          show([words, problem.hint ?? ''].join('\n').trim(), 'text-color-error');
        })
        .always(() => pressed.prop('disabled', false));
    });
  };
  button('test', (tried: TriedOut) => {
    const fine = tried.attached === true || tried.known === true;
    show(linesOf(node, tried).join('\n'), fine ? 'text-color-success' : 'text-color-warning');
  });
  button('find', (found: FoundOne[]) => {
    const [first] = found;
    if (first !== undefined) $('#node-config-input-address').val(first.address).trigger('change');
    const lines = found.map(({ address, name, modes }) => `${name} @ ${address} (${modesOf(node, modes)})`);
    const words = node._(`keyway-provisioner.test.${first === undefined ? 'none' : 'found'}`);
    show([words, ...lines].join('\n'), first === undefined ? 'text-color-warning' : 'text-color-success');
  });
  button('pair', (peer: { fingerprint: string; name: string }) => {
    $('#node-config-input-device').val(peer.fingerprint).trigger('change');
    $('#keyway-provisioner-code').val('');
    show(node._('keyway-provisioner.test.paired', { name: peer.name }), 'text-color-success');
  });
}

/** In the words of the dialog. */
function modesOf(node: EditorNode, modes: string[]): string {
  return modes.map((mode) => node._(`keyway-provisioner.mode.${mode}`)).join(', ');
}

function linesOf(node: EditorNode, tried: TriedOut): string[] {
  const { name, modes, limits, bus, host } = tried;
  const version = tried.version ?? tried.software ?? '';
  const words = { name, version, modes: modesOf(node, modes) };
  const lines = [node._('keyway-provisioner.test.answers', words)];
  if (limits !== undefined) lines.push(node._('keyway-provisioner.test.slots', { slots: String(limits.slots) }));
  if (bus !== undefined) lines.push(bus.text);
  if (tried.attached !== true && tried.known !== true) lines.push(node._('keyway-provisioner.test.unknown'));
  if (host) lines.push(node._('keyway-provisioner.test.host', { name: host.name }));
  return lines;
}
