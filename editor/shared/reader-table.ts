export interface ReaderTableRow {
  address: string;
  name: string;
  security: string;
  key: string;
}

/** What the columns are called, and the ways of speaking to a reader. */
export interface ReaderTableWords {
  address: string;
  name: string;
  security: string;
  key: string;
  securities: { value: string; label: string }[];
}

/** Ways that need to know where the key comes from. */
const WITH_KEY = ['environment', 'handle'];

/** A table of the readers of a bus: where each is, what it is called, and how it is spoken to. */
export function readerTable(list: JQuery, rows: unknown, words: ReaderTableWords): void {
  list.editableList<ReaderTableRow>({
    sortable: true,
    removable: true,
    height: 200,
    addItem: (row, _index, entry) => {
      const text = (field: 'address' | 'name' | 'key', width: string): JQuery =>
        $('<input type="text">')
          .addClass(`keyway-reader-${field}`)
          .css({ width, 'min-width': '0' })
          .attr({ placeholder: words[field], 'aria-label': words[field] })
          .val(entry[field] ?? '');
      const security = $('<select></select>')
        .addClass('keyway-reader-security')
        .css({ flex: '1', 'min-width': '0' })
        .attr('aria-label', words.security);
      for (const { value, label } of words.securities) security.append($('<option></option>').val(value).text(label));
      security.val(entry.security ?? 'clear');
      const key = text('key', '100%').css('margin-top', '6px');
      const line = $('<div></div>').css({ display: 'flex', gap: '6px' });
      row.append(line.append(text('address', '80px'), text('name', '130px'), security), key);
      security.on('change', () => key.toggle(WITH_KEY.includes(String(security.val())))).trigger('change');
    },
  });
  if (Array.isArray(rows)) for (const row of rows as ReaderTableRow[]) list.editableList('addItem', { ...row });
}

/** What stands in the table; rows without an address are left out. */
export function readerRowsIn(list: JQuery): ReaderTableRow[] {
  const rows: ReaderTableRow[] = [];
  list.editableList('items').each(function () {
    const text = (field: string): string => String($(this).find(`.keyway-reader-${field}`).val() ?? '').trim();
    const security = text('security');
    if (text('address') === '') return;
    const key = WITH_KEY.includes(security) ? text('key') : '';
    rows.push({ address: text('address'), name: text('name'), security, key });
  });
  return rows;
}
