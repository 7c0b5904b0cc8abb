import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type ConsoleLine, ConsoleParser, parseConsoleLine, readBootMode } from '../../../../lib/esp/index.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const short = ({ level, ms, tag, text }: ConsoleLine): unknown[] => [level, ms, tag, text];
const ESC = '\x1b';

function lines(input: string | Uint8Array, size = Infinity, options = {}): ConsoleLine[] {
  const parser = new ConsoleParser(options);
  const all = typeof input === 'string' ? bytes(input) : input;
  const out: ConsoleLine[] = [];
  for (let at = 0; at < all.length; at += size) out.push(...parser.feed(all.subarray(at, at + size)));
  return [...out, ...parser.flush(true)];
}

const BOOT = [
  'ESP-ROM:esp32c3-api1-20210207',
  'Build:Feb  7 2021',
  'rst:0x1 (POWERON),boot:0xd (SPI_FAST_FLASH_BOOT)',
  'SPIWP:0xee',
  `${ESC}[0;32mI (24) boot: ESP-IDF v5.5.5 2nd stage bootloader${ESC}[0m`,
  `${ESC}[0;33mW (310) spi_flash: Detected size(4096k) larger than the size in the binary image header${ESC}[0m`,
  `${ESC}[0;31mE (1234567) wifi:fatal: 3${ESC}[0m`,
  'D (5) a: b',
  'V (6) a: ',
].join('\r\n');

describe('console lines', () => {
  it('takes ESP-IDF log lines apart and leaves ROM lines whole', () => {
    assert.deepEqual(lines(`${BOOT}\r\n`).map(short), [
      [null, null, null, 'ESP-ROM:esp32c3-api1-20210207'],
      [null, null, null, 'Build:Feb  7 2021'],
      [null, null, null, 'rst:0x1 (POWERON),boot:0xd (SPI_FAST_FLASH_BOOT)'],
      [null, null, null, 'SPIWP:0xee'],
      ['I', 24, 'boot', 'ESP-IDF v5.5.5 2nd stage bootloader'],
      ['W', 310, 'spi_flash', 'Detected size(4096k) larger than the size in the binary image header'],
      ['E', 1234567, 'wifi', 'fatal: 3'],
      ['D', 5, 'a', 'b'],
      ['V', 6, 'a', ''],
    ]);
  });

  it('takes a time of day, with and without a date', () => {
    const line = parseConsoleLine('I (12:34:56.789) main: up');
    assert.deepEqual([line.time, ...short(line)], ['12:34:56.789', 'I', null, 'main', 'up']);
    assert.equal(parseConsoleLine('I (2026-11-22 12:34:56.789) main: up').time, '2026-11-22 12:34:56.789');
  });

  it('leaves what only looks like a log line as text', () => {
    for (const text of [
      'I (x) a: b',
      'Q (1) a: b',
      'I(1) a: b',
      'I (1) no tag',
      ' I (1) a: b',
      'I (12345678901) a: b',
    ]) {
      assert.deepEqual(short(parseConsoleLine(text)), [null, null, null, text.trimEnd()]);
    }
  });

  it('keeps the line as it came in raw', () => {
    assert.equal(lines(`${ESC}[0;32mI (1) a: b${ESC}[0m\n`)[0]?.raw, `${ESC}[0;32mI (1) a: b${ESC}[0m`);
  });

  it('strips cursor moves, keeps tabs, shows other control characters as replaced', () => {
    assert.equal(parseConsoleLine(`${ESC}[2J${ESC}[1;1Ha\tb\u0000c${ESC}Mx${ESC}`).text, 'a\tb\ufffdcx\ufffd');
  });

  it('ends lines at LF, CR or both and leaves empty ones out', () => {
    assert.deepEqual(
      lines('a\rb\n\n\r\nc\n\rd').map(({ text }) => text),
      ['a', 'b', 'c', 'd'],
    );
  });

  it('reads the same however the bytes are cut', () => {
    const whole = lines(`${BOOT}\nπ ≠ 🙂\n`);
    for (const size of [1, 2, 3, 7, 64]) assert.deepEqual(lines(`${BOOT}\nπ ≠ 🙂\n`, size), whole);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.integer({ min: 1, max: 5 }), (text, size) => {
        assert.deepEqual(lines(text, size), lines(text));
      }),
    );
  });

  it('shows bytes that are no UTF-8 as replaced', () => {
    assert.equal(lines(Uint8Array.of(0x41, 0xff, 0xc3, 0x42, 10))[0]?.text, 'A\ufffd\ufffdB');
  });

  it('cuts a line that never ends, between characters', () => {
    const cut = lines('ä'.repeat(20), 3, { maxLine: 17 }).map(({ text }) => text);
    assert.deepEqual(cut, ['ä'.repeat(8), 'ä'.repeat(8), 'ä'.repeat(4)]);
    assert.deepEqual(
      lines('x'.repeat(40), 1, { maxLine: 1 }).map(({ text }) => text.length),
      [16, 16, 8],
    );
    const garbage = lines(new Uint8Array(40).fill(0xbf), 9, { maxLine: 16 });
    assert.equal(garbage.map(({ text }) => text).join('').length, 40);
    for (const lead of [0xf0, 0xe2, 0xc3]) {
      assert.equal(
        lines(new Uint8Array(40).fill(lead), 9, { maxLine: 16 })
          .map(({ text }) => text)
          .join('').length,
        40,
      );
    }
  });

  it('takes long lines whole', () => {
    const long = 'abcdefgh'.repeat(400);
    assert.deepEqual(
      lines(`I (1) a: ${long}\n`, 50).map(({ text }) => text),
      [long],
    );
  });

  it('flushes a half line, but not a half character', () => {
    const parser = new ConsoleParser();
    assert.deepEqual(parser.feed(bytes('esp> ')), []);
    assert.equal(parser.pending, 5);
    assert.deepEqual(
      parser.flush().map(({ text }) => text),
      ['esp>'],
    );
    assert.deepEqual(parser.flush(), []);
    const smile = bytes('ok 🙂');
    parser.feed(smile.subarray(0, 5));
    assert.deepEqual(
      parser.flush().map(({ text }) => text),
      ['ok'],
    );
    assert.equal(parser.pending, 2);
    parser.feed(smile.subarray(5));
    assert.deepEqual(
      parser.flush().map(({ text }) => text),
      ['🙂'],
    );
    parser.feed(smile.subarray(0, 5));
    assert.deepEqual(
      parser.flush(true).map(({ text }) => text),
      ['ok \ufffd'],
    );
  });
});

describe('boot mode', () => {
  it('tells running from waiting for download', () => {
    assert.deepEqual(readBootMode(BOOT), {
      reset: 'POWERON',
      resetCode: 1,
      boot: 'SPI_FAST_FLASH_BOOT',
      bootCode: 0xd,
      download: false,
    });
    const c3 = 'rst:0x15 (USB_UART_CHIP_RESET),boot:0x7 (DOWNLOAD(USB/UART0/1))\r\nwaiting for download\r\n';
    assert.deepEqual(readBootMode(c3), {
      reset: 'USB_UART_CHIP_RESET',
      resetCode: 0x15,
      boot: 'DOWNLOAD(USB/UART0/1)',
      bootCode: 7,
      download: true,
    });
    const esp32 =
      'rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))\r\nwaiting for download';
    assert.equal(readBootMode(esp32)?.download, true);
    assert.equal(readBootMode('rst:0x1,boot:0x3\nwaiting for download')?.download, true);
  });

  it('goes by the newest reset', () => {
    const later = `${BOOT}\r\nrst:0x15 (X),boot:0x5 (DOWNLOAD(USB/UART0/1))\r\nwaiting for download\r\n${BOOT}`;
    assert.equal(readBootMode(later)?.download, false);
  });

  it('says nothing of text without a reset', () => {
    for (const text of ['', 'rst:', 'boot:0x13 (SPI_FAST_FLASH_BOOT)', 'x'.repeat(50000)])
      assert.equal(readBootMode(text), null);
  });
});
