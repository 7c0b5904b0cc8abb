export interface NvsTableRow {
  namespace: string;
  key: string;
  encoding: string;
  value: string;
  valueType: string;
}

/** What the columns of the table are called, and the encodings that can be chosen. */
export interface NvsTableWords {
  namespace: string;
  key: string;
  encoding: string;
  value: string;
  encodings: { value: string; label: string }[];
}

const TYPES = ['str', 'num', 'bool', 'msg', 'flow', 'global', 'env', 'jsonata', 'bin'];

/** A table of NVS entries: where each lies, what it is kept as, and its value as a typed input. */
export function nvsTable(list: JQuery, rows: unknown, words: NvsTableWords): void {
  list.editableList<NvsTableRow>({
    sortable: true,
    removable: true,
    height: 220,
    addItem: (row, _index, entry) => {
      const text = (field: 'namespace' | 'key'): JQuery =>
        $('<input type="text">')
          .addClass(`keyway-nvs-${field}`)
          .css({ flex: '1', 'min-width': '0' })
          .attr({ placeholder: words[field], 'aria-label': words[field], maxlength: '15' })
          .val(entry[field] ?? '');
      const encoding = $('<select></select>')
        .addClass('keyway-nvs-encoding')
        .css({ width: '130px' })
        .attr('aria-label', words.encoding);
      for (const { value, label } of words.encodings) encoding.append($('<option></option>').val(value).text(label));
      encoding.val(entry.encoding ?? 'string');
      const value = $('<input type="text">')
        .addClass('keyway-nvs-value')
        .css({ width: '100%' })
        .attr('aria-label', words.value);
      const places = $('<div></div>').css({ display: 'flex', gap: '6px', 'margin-bottom': '6px' });
      row.append(places.append(text('namespace'), text('key'), encoding), $('<div></div>').append(value));
      value.attr('placeholder', words.value).typedInput({ default: 'str', types: TYPES });
      value.typedInput('type', entry.valueType ?? 'str');
      value.typedInput('value', entry.value ?? '');
    },
  });
  if (Array.isArray(rows)) for (const row of rows as NvsTableRow[]) list.editableList('addItem', { ...row });
}

/** What stands in the table; rows with neither namespace nor key are left out. */
export function nvsRowsIn(list: JQuery): NvsTableRow[] {
  const rows: NvsTableRow[] = [];
  list.editableList('items').each(function () {
    const text = (field: string): string => String($(this).find(`.keyway-nvs-${field}`).val() ?? '').trim();
    const value = $(this).find('.keyway-nvs-value');
    const [namespace, key] = [text('namespace'), text('key')];
    if (namespace === '' && key === '') return;
    rows.push({
      namespace,
      key,
      encoding: text('encoding'),
      value: value.typedInput('value'),
      valueType: value.typedInput('type'),
    });
  });
  return rows;
}

/** The words of the table in the node's own language. */
export function nvsWords(node: EditorNode, encodings: readonly string[]): NvsTableWords {
  return {
    namespace: node._('keyway.nvs.namespace'),
    key: node._('keyway.nvs.key'),
    encoding: node._('keyway.nvs.encoding'),
    value: node._('keyway.nvs.value'),
    encodings: encodings.map((value) => ({ value, label: node._(`keyway.nvs.encodings.${value}`) })),
  };
}
