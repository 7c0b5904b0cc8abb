import { ask, askOn, say } from './ask.ts';

interface Backups {
  /** Null while it is not deployed. */
  registry: string | null;
  folder: string | null;
  backups: { name: string; bytes: number; written: string }[];
}

interface Progress {
  doing: string | null;
  done: number;
  total: number;
  unit: string;
}

const EVERY_MS = 700;

/** The buttons with which a registry that is deployed gets a new key, is backed up and is restored. */
export function upkeepButtons(node: EditorNode): void {
  const result = $('#keyway-registry-upkeep');
  const word = (key: string, values: Record<string, string> = {}): string =>
    node._(`keyway-registry.upkeep.${key}`, values);
  const field = (name: string): string => String($(`#keyway-registry-${name}`).val() ?? '').trim();
  const common = { node, result, working: word('working'), failed: node._('keyway-registry.test.failed') };
  const of = (more: object = {}): object => ({ id: node.id, ...more });
  const list = $('#keyway-registry-backup');

  const refresh = (): void => {
    $.ajax({
      url: 'keyway/registry/backups',
      method: 'POST',
      contentType: 'application/json',
      data: JSON.stringify(of()),
    }).done(({ registry, backups }: Backups) => {
      list.empty();
      for (const { name, written, bytes } of backups) {
        const text = `${name} · ${written.slice(0, 16).replace('T', ' ')} UTC · ${Math.ceil(bytes / 1024)} kB`;
        list.append($('<option></option>').val(name).text(text));
      }
      const placeholder = registry === null ? word('deploy') : word('confirm', { name: registry });
      $('#keyway-registry-confirm').attr('placeholder', placeholder);
    });
  };

  /** Asks how far it is while it works. */
  let timer: ReturnType<typeof setInterval> | undefined;
  const begin = (): void => {
    timer = setInterval(() => {
      if (!result.is(':visible')) end();
      $.ajax({
        url: 'keyway/registry/progress',
        method: 'POST',
        contentType: 'application/json',
        data: JSON.stringify(of()),
      }).done(({ doing, done, total, unit }: Progress) => {
        if (doing === null || timer === undefined || total === 0) return;
        const percent = String(Math.min(100, Math.floor((100 * done) / total)));
        say(result, word(unit, { done: String(done), total: String(total), percent }), 'secondary-text-color');
      });
    }, EVERY_MS);
  };
  const end = (): void => {
    clearInterval(timer);
    timer = undefined;
  };
  const around = {
    begin,
    end: (): void => {
      end();
      refresh();
    },
  };

  askOn<{ changed: number; same: number; failed: { record: string; code: string }[] }>(
    '#keyway-registry-rotate',
    {
      ...common,
      path: 'keyway/registry/rotate',
      body: of,
      done: ({ changed, same, failed }) =>
        [
          word(changed === 0 ? 'nothing' : 'rotated', { changed: String(changed), same: String(same) }),
          ...(failed.length === 0 ? [] : [word('stayed', { count: String(failed.length) })]),
          ...failed.slice(0, 5).map(({ record, code }) => `${record}: ${code}`),
        ].join('\n'),
    },
    around,
  );
  askOn<{ path: string; bytes: number }>(
    '#keyway-registry-back-up',
    {
      ...common,
      path: 'keyway/registry/backup',
      body: () => of({ name: field('backup-name') }),
      done: ({ path, bytes }) => word('written', { path, size: String(Math.ceil(bytes / 1024)) }),
    },
    around,
  );
  $('#keyway-registry-restore').on('click', (event) => {
    event.preventDefault();
    const body = of({ name: String(list.val() ?? ''), confirm: field('confirm') });
    begin();
    void ask<{ name: string; voidedCodes: number; rotate: boolean }>({
      ...common,
      path: 'keyway/registry/restore',
      body: () => body,
      done: ({ name, voidedCodes, rotate }) =>
        [word('restored', { name, codes: String(voidedCodes) }), ...(rotate ? [word('rotateAgain')] : [])].join('\n'),
    }).then((well) => {
      if (well) $('#keyway-registry-confirm').val('');
      around.end();
    });
  });
  refresh();
}
