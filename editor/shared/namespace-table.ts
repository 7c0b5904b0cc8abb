const TEXTS = [
  ...([
    'name',
    'broker',
    'validity',
    'rotateHour',
    'rotateWindow',
    'rotateFraction',
    'graceDays',
    'graceHours',
  ] as const),
  ...(['names', 'crlBaseUrl'] as const),
] as const;
const LISTS = ['validityUnit', 'rotateBy', 'rekey', 'keys'] as const;
type Text = (typeof TEXTS)[number];
type List = (typeof LISTS)[number];
type Field = Text | List;

/** A certificate namespace as the dialog of an authority shows it. */
export type NamespaceTableRow = Record<Field, string> & {
  /** Of older flows, in place of `validity`. */
  validityDays?: string;
};

interface Words {
  /** What the fields are called, and `more` what is folded. */
  label: (field: Field | 'more') => string;
  /** The choices of a list, the one of a new row first. */
  choices: Record<List, readonly { value: string; label: string }[]>;
  /** What blank fields mean. */
  placeholders: Record<Text, string>;
}

const fieldOf = (row: JQuery, field: Field): JQuery => row.find(`.keyway-namespace-${field}`);

/** A table of certificate namespaces. */
export function namespaceTable(list: JQuery, rows: unknown, words: Words): void {
  list.editableList<NamespaceTableRow>({
    sortable: true,
    removable: true,
    height: 320,
    addItem: (row, _index, entry) => {
      const around = (field: Field, flex: string, input: JQuery): JQuery =>
        $('<label></label>')
          .css({ flex, 'min-width': '0', width: 'auto', 'font-size': '90%', margin: '0' })
          .append($('<span></span>').text(words.label(field)))
          .append(input.addClass(`keyway-namespace-${field}`).css({ width: '100%' }));
      const text = (field: Text, flex = '1'): JQuery =>
        around(
          field,
          flex,
          $('<input type="text">')
            .attr({ placeholder: words.placeholders[field] })
            .val(entry[field] ?? ''),
        );
      const choice = (field: List, flex = '1'): JQuery => {
        const select = $('<select></select>');
        for (const { value, label } of words.choices[field])
          select.append($('<option></option>').val(value).text(label));
        select.val(entry[field] ?? words.choices[field][0]?.value ?? '');
        return around(field, flex, select);
      };
      const line = (...fields: JQuery[]): JQuery =>
        $('<div></div>')
          .css({ display: 'flex', gap: '6px', 'margin-bottom': '4px' })
          .append(...fields);
      const more = $('<details></details>').append(
        $('<summary></summary>').text(words.label('more')),
        line(text('names', '2'), choice('keys')),
        line(text('graceDays'), text('graceHours'), choice('rekey')),
        line(text('crlBaseUrl')),
      );
      row.append(
        line(text('name', '1'), text('broker', '2')),
        line(
          ...[text('validity'), choice('validityUnit'), choice('rotateBy', '1.4')],
          ...[text('rotateHour'), text('rotateWindow'), text('rotateFraction')],
        ),
        more,
      );
      if (entry.validity === undefined || entry.validity === '') {
        fieldOf(row, 'validity').val(entry.validityDays ?? '');
        if ((entry.validityDays ?? '') !== '') fieldOf(row, 'validityUnit').val('days');
      }
      const rotateBy = fieldOf(row, 'rotateBy');
      const show = (): void => {
        const byHour = rotateBy.val() !== 'fraction';
        fieldOf(row, 'rotateHour').parent().toggle(byHour);
        fieldOf(row, 'rotateWindow').parent().toggle(byHour);
        fieldOf(row, 'rotateFraction').parent().toggle(!byHour);
      };
      rotateBy.on('change', show);
      show();
    },
  });
  if (Array.isArray(rows)) for (const row of rows as NamespaceTableRow[]) list.editableList('addItem', { ...row });
}

/** What stands in the table; rows without a name are left out. */
export function namespacesIn(list: JQuery): NamespaceTableRow[] {
  const rows: NamespaceTableRow[] = [];
  list.editableList('items').each(function () {
    const text = (field: Field): [Field, string] => [field, String(fieldOf($(this), field).val() ?? '').trim()];
    const row = Object.fromEntries([...TEXTS, ...LISTS].map(text)) as NamespaceTableRow;
    if (row.name !== '') rows.push(row);
  });
  return rows;
}
