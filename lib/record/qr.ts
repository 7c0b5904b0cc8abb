import { encode } from 'uqr';
import { fail } from './errors.ts';

/** How a QR code is made. */
export interface QrOptions {
  /** How much of it may be unreadable: L 7 %, M 15 % (default), Q 25 %, H 30 %. */
  readonly correction?: 'L' | 'M' | 'Q' | 'H';
  /** Width of the quiet zone, in modules. Default 4, as ISO/IEC 18004 wants it. */
  readonly border?: number;
}

/** The code as an SVG image of one unit a module, black on white, of any size. @throws QR_TOO_LONG */
export function qrSvg(text: string, options: QrOptions = {}): string {
  const modules = modulesOf(text, options);
  const size = modules.length;
  // One line a run of dark modules, so that no hairline of the printer's shows between two.
  let path = '';
  for (const [y, row] of modules.entries()) {
    for (let x = 0; x < size; x++) {
      if (!row[x]) continue;
      const from = x;
      while (row[x + 1]) x += 1;
      const width = x - from + 1;
      path += `M${from} ${y}h${width}v1h-${width}z`;
    }
  }
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges">` +
    `<path fill="#fff" d="M0 0h${size}v${size}H0z"/><path d="${path}"/></svg>`
  );
}

/** The code in half blocks, two rows of modules a line, dark ones drawn: for dark ink on light. @throws QR_TOO_LONG */
export function qrText(text: string, options: QrOptions = {}): string {
  const modules = modulesOf(text, options);
  const lines: string[] = [];
  for (let y = 0; y < modules.length; y += 2) {
    const upper = modules[y] ?? [];
    const lower = modules[y + 1] ?? [];
    lines.push(upper.map((dark, x) => (dark ? (lower[x] ? '█' : '▀') : lower[x] ? '▄' : ' ')).join(''));
  }
  return lines.join('\n');
}

/** Row by row, true where dark. */
function modulesOf(text: string, { correction = 'M', border = 4 }: QrOptions): boolean[][] {
  try {
    return encode(text, { ecc: correction, border }).data;
  } catch (cause) {
    const bytes = new TextEncoder().encode(text).length;
    throw fail('QR_TOO_LONG', `The text of ${bytes} bytes does not fit into a QR code (correction ${correction}).`, {
      hint: 'Shorten it, or choose a lower correction: at most 2953 bytes fit with L, 2331 with M.',
      detail: { field: 'qr', bytes, correction },
      cause,
    });
  }
}
