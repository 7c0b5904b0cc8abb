export interface FileRow {
  path: string;
  offset: string;
}

/** A table of files and the offsets they belong at. */
export function fileTable(list: JQuery, files: unknown, placeholders: FileRow): void {
  list.editableList<FileRow>({
    sortable: true,
    removable: true,
    height: 160,
    addItem: (row, _index, file) => {
      row.css({ display: 'flex', gap: '6px' });
      const field = (key: keyof FileRow, width: string): JQuery =>
        $('<input type="text">')
          .addClass(`keyway-file-${key}`)
          .css({ width, flex: key === 'path' ? '1' : 'none' })
          .attr({ placeholder: placeholders[key], 'aria-label': placeholders[key] })
          .val(file[key] ?? '');
      row.append(field('offset', '110px'), field('path', 'auto'));
    },
  });
  if (Array.isArray(files)) for (const file of files as FileRow[]) list.editableList('addItem', { ...file });
}

/** What stands in the table; rows with nothing in them are left out. */
export function filesIn(list: JQuery): FileRow[] {
  const rows: FileRow[] = [];
  list.editableList('items').each(function () {
    const text = (key: keyof FileRow): string => String($(this).find(`.keyway-file-${key}`).val() ?? '').trim();
    if (text('path') !== '' || text('offset') !== '') rows.push({ path: text('path'), offset: text('offset') });
  });
  return rows;
}
