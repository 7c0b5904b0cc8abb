import { ask, askOn } from './ask.ts';

interface Token {
  id: string;
  prefix: string;
  scopes: string[];
  createdAt: string;
  expiresAt: string | null;
  revokedAt: string | null;
}

/** The buttons of an authority that is deployed: tickets, namespace tokens, and the key of its root. */
export function enrolmentButtons(node: EditorNode): void {
  const word = (key: string, values: Record<string, string> = {}): string =>
    node._(`keyway-authority.button.${key}`, values);
  const field = (name: string): string => String($(`#keyway-authority-${name}`).val() ?? '').trim();
  const checked = (name: string): boolean => $(`#keyway-authority-${name}`).prop('checked') === true;
  const result = $('#keyway-authority-result');
  const common = { node, result, working: word('working'), failed: word('failed') };
  const of = (more: object = {}): object => ({ authority: node.id, namespace: field('namespace'), ...more });
  const day = (time: string | null): string => (time === null ? word('never') : time.slice(0, 10));
  const list = $('#keyway-authority-token');

  /** Shown once: it goes when the dialog is closed, and can be copied until then. */
  const secret = $('#keyway-authority-secret');
  const copy = $('#keyway-authority-copy');
  const show = (text: string): void => {
    secret.val(text);
    secret.add(copy).toggle(text !== '');
  };
  show('');
  copy.on('click', (event) => {
    event.preventDefault();
    secret.trigger('focus').trigger('select');
    document.execCommand('copy');
  });

  askOn<{ ticket: string; expiresAt: string }>('#keyway-authority-ticket', {
    ...common,
    path: 'keyway/authority/ticket',
    body: () => of({ mac: field('mac'), replace: checked('replace') }),
    done: ({ ticket, expiresAt }) => {
      show(ticket);
      return word('ticket', { until: expiresAt.slice(11, 19) });
    },
  });
  askOn<{ token: string; prefix: string; expiresAt: string | null }>('#keyway-authority-make-token', {
    ...common,
    path: 'keyway/authority/token',
    body: () =>
      of({
        scopes: checked('replace') ? ['mint', 'replace'] : ['mint'],
        ...(field('days') === '' ? {} : { days: Number(field('days')) }),
      }),
    done: ({ token, prefix, expiresAt }) => {
      show(token);
      return word('token', { prefix, until: day(expiresAt) });
    },
  });
  askOn<{ tokens: Token[]; next: string | null }>('#keyway-authority-list', {
    ...common,
    path: 'keyway/authority/tokens',
    body: of,
    done: ({ tokens }) => {
      const open = tokens.filter(({ revokedAt }) => revokedAt === null);
      list.empty();
      for (const { id, prefix, scopes, createdAt, expiresAt } of open) {
        const text = `${prefix}… · ${scopes.join(', ')} · ${day(createdAt)} – ${day(expiresAt)}`;
        list.append($('<option></option>').val(id).text(text));
      }
      return word('listed', { count: String(open.length), revoked: String(tokens.length - open.length) });
    },
  });
  askOn<{ id: string }>('#keyway-authority-revoke', {
    ...common,
    path: 'keyway/authority/token/revoke',
    body: () => of({ id: String(list.val() ?? '') }),
    done: ({ id }) => {
      list
        .find('option')
        .filter((_i, option) => $(option).val() === id)
        .remove();
      show('');
      return word('revoked');
    },
  });

  const root = $('#keyway-authority-root-result');
  const ofRoot = (): object => ({
    authority: node.id,
    file: String($('#node-config-input-rootKeyFile').val() ?? ''),
    passphrase: String($('#keyway-authority-root-passphrase').val() ?? ''),
  });
  for (const way of ['take-out', 'put-back'] as const) {
    const pressed = $(`#keyway-authority-${way}`);
    pressed.on('click', (event) => {
      event.preventDefault();
      pressed.prop('disabled', true);
      const asked = ask<{ path: string }>({
        ...common,
        result: root,
        path: `keyway/authority/root-key/${way}`,
        body: ofRoot,
        done: ({ path }) => word(way, { path }),
      });
      $('#keyway-authority-root-passphrase').val('');
      void asked.then(() => pressed.prop('disabled', false));
    });
  }
}
