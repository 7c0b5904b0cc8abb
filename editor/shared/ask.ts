/** What a button of a dialog asks, and says. */
export interface Ask<T> {
  readonly node: EditorNode;
  /** Where it is said. */
  readonly result: JQuery;
  /** Below the editor, without a slash at its beginning. */
  readonly path: string;
  readonly body: () => object;
  /** What is said while it works, and when nobody says why it failed. */
  readonly working: string;
  readonly failed: string;
  /** @returns what is said when it went well */
  readonly done: (answer: T) => string;
}

type Color = 'secondary-text-color' | 'text-color-success' | 'text-color-error';

export function say(result: JQuery, text: string, color: Color): void {
  result.text(text).css('color', `var(--red-ui-${color})`);
}

/** Asks the runtime, and says what came of it. @returns whether it went well */
export function ask<T>({ result, path, body, working, failed, done }: Ask<T>): Promise<boolean> {
  say(result, working, 'secondary-text-color');
  return new Promise((resolve) => {
    $.ajax({ url: path, method: 'POST', contentType: 'application/json', data: JSON.stringify(body()) })
      .done((answer: T) => {
        say(result, done(answer), 'text-color-success');
        resolve(true);
      })
      .fail((reply: JQuery.jqXHR) => {
        const problem = (reply.responseJSON ?? {}) as { code?: string; message?: string; hint?: string };
        say(
          result,
          [problem.message ?? problem.code ?? failed, problem.hint ?? ''].join('\n').trim(),
          'text-color-error',
        );
        resolve(false);
      });
  });
}

/** A button that asks when it is pressed, and cannot be pressed again meanwhile. */
export function askOn<T>(
  id: string,
  what: Ask<T>,
  around?: { begin?: () => void; end?: (well: boolean) => void },
): void {
  const pressed = $(id);
  pressed.on('click', (event) => {
    event.preventDefault();
    pressed.prop('disabled', true);
    around?.begin?.();
    void ask(what).then((well) => {
      pressed.prop('disabled', false);
      around?.end?.(well);
    });
  });
}
