/** A certificate namespace as the dialog of an authority shows it. */
export interface NamespaceTableRow {
  name: string;
  broker: string;
  validityDays: string;
  rotateHour: string;
  graceDays: string;
}

const FIELDS = ['name', 'broker', 'validityDays', 'rotateHour', 'graceDays'] as const;
type Field = (typeof FIELDS)[number];

/** A table of certificate namespaces; `words` are what the fields are called, `defaults` what blank ones mean. */
export function namespaceTable(
  list: JQuery,
  rows: unknown,
  words: Record<Field, string>,
  defaults: Record<Field, string>,
): void {
  list.editableList<NamespaceTableRow>({
    sortable: true,
    removable: true,
    height: 220,
    addItem: (row, _index, entry) => {
      const field = (key: Field, flex: string): JQuery =>
        $('<label></label>')
          .css({ flex, 'min-width': '0', width: 'auto', 'font-size': '90%', margin: '0' })
          .append($('<span></span>').text(words[key]))
          .append(
            $('<input type="text">')
              .addClass(`keyway-namespace-${key}`)
              .css({ width: '100%' })
              .attr({ placeholder: defaults[key] })
              .val(entry[key] ?? ''),
          );
      const line = (): JQuery => $('<div></div>').css({ display: 'flex', gap: '6px', 'margin-bottom': '4px' });
      row.append(
        line().append(field('name', '1'), field('broker', '2')),
        line().append(field('validityDays', '1'), field('rotateHour', '1'), field('graceDays', '1')),
      );
    },
  });
  if (Array.isArray(rows)) for (const row of rows as NamespaceTableRow[]) list.editableList('addItem', { ...row });
}

/** What stands in the table; rows without a name are left out. */
export function namespacesIn(list: JQuery): NamespaceTableRow[] {
  const rows: NamespaceTableRow[] = [];
  list.editableList('items').each(function () {
    const text = (key: Field): string => String($(this).find(`.keyway-namespace-${key}`).val() ?? '').trim();
    const [name = '', broker = '', validityDays = '', rotateHour = '', graceDays = ''] = FIELDS.map(text);
    if (name !== '') rows.push({ name, broker, validityDays, rotateHour, graceDays });
  });
  return rows;
}
