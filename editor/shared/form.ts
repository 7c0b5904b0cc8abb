/** What the dialogs of our nodes share: typed inputs, the folded options, rows that come and go, validators. */

const ELSEWHERE = ['msg', 'flow', 'global', 'env', 'jsonata'];

/** Where a text field may take its value from. */
export const TEXT: (string | TypedInputType)[] = ['str', ...ELSEWHERE];
export const NUMBER: (string | TypedInputType)[] = ['num', ...ELSEWHERE];
export const SWITCH: (string | TypedInputType)[] = ['bool', ...ELSEWHERE];

/** A number with units or in hexadecimal is typed as a text. */
export const SIZE: (string | TypedInputType)[] = [
  { value: 'str', label: '4096 · 0x1000 · 4MB', icon: 'red/images/typedInput/09.svg' },
  ...ELSEWHERE,
];

/** A list to choose from, or a value from elsewhere. */
export function oneOf(options: { value: string; label: string }[]): (string | TypedInputType)[] {
  return [{ value: 'op', label: '', options }, ...ELSEWHERE];
}

/** Turns `#node-input-<field>` into a typed input whose type is kept in `#node-input-<field>Type`. */
export function typed(field: string, types: (string | TypedInputType)[], placeholder?: string): JQuery {
  const input = $(`#node-input-${field}`);
  const first = types[0];
  // Before the widget is made: it takes the placeholder over then, and only then.
  if (placeholder !== undefined) input.attr('placeholder', placeholder);
  input.typedInput({
    default: typeof first === 'string' ? first : (first?.value ?? 'str'),
    types,
    typeField: `#node-input-${field}Type`,
  });
  return input;
}

/** Gives an open dialog its looks: words of help below their field, checkboxes beside their words, options folded. */
export function layOut(optionsHeading: string): void {
  $('.keyway-hint').css({
    margin: '-8px 0 12px 105px',
    // A long sentence would widen the dialog.
    'max-width': '440px',
    color: 'var(--red-ui-secondary-text-color)',
    'font-size': '90%',
  });
  $('.keyway-beside').css('width', 'auto').prev(':checkbox').css({
    width: 'auto',
    margin: '0 6px 0 0',
    'vertical-align': 'baseline',
  });
  foldOptions(optionsHeading);
}

/** Folds `.keyway-options` away under a heading; it opens by a click or the keyboard. */
function foldOptions(heading: string): void {
  $('.keyway-options').each(function () {
    const body = $(this);
    if (body.prev('.keyway-fold').length > 0) return;
    const arrow = $('<i class="fa fa-caret-right" style="width: 14px"></i>');
    const head = $(
      '<a href="#" class="keyway-fold" role="button" aria-expanded="false" style="display: block; margin: 14px 0 10px; padding-bottom: 4px; color: var(--red-ui-primary-text-color); border-bottom: 1px solid var(--red-ui-secondary-border-color); text-decoration: none"></a>',
    )
      .append(arrow)
      .append($('<span></span>').text(heading));
    head.on('click', (event) => {
      event.preventDefault();
      const opens = !body.is(':visible');
      body.toggle(opens);
      arrow.toggleClass('fa-caret-right', !opens).toggleClass('fa-caret-down', opens);
      head.attr('aria-expanded', String(opens));
    });
    body.hide().before(head);
  });
}

/** Shows the rows of class `keyway-when-<value>` of the chosen value and hides those of the others. */
export function showFor(select: JQuery, values: string[], chosen: () => string): void {
  const update = (): void => {
    const now = chosen();
    for (const value of values) $(`.keyway-when-${value}`).hide();
    $(`.keyway-when-${now}`).show();
  };
  select.on('change', update);
  update();
}

/** The value of a typed list of choices, or "elsewhere" when it comes with the message. */
export function chosenIn(input: JQuery): string {
  return input.typedInput('type') === 'op' ? input.typedInput('value') : 'elsewhere';
}

/** `a`, `b` for a list of choices whose labels are `<prefix>.<value>` in the node's locale. */
export function choices(node: EditorNode, prefix: string, values: string[]): { value: string; label: string }[] {
  return values.map((value) => ({ value, label: node._(`${prefix}.${value}`) }));
}

/** Fills a <select> with choices and selects what is saved. */
export function fillSelect(id: string, options: { value: string; label: string }[], selected: unknown): JQuery {
  const select = $(id);
  select.empty();
  for (const option of options) select.append($('<option></option>').val(option.value).text(option.label));
  select.val(String(selected));
  return select;
}
