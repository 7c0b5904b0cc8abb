import assert from 'node:assert/strict';
import { labelText, qrSvg, qrText } from '../../../lib/record/index.ts';
import { decodeQr } from './qr-reader.ts';

const unit = {
  mac: '60:55:f9:0a:b1:c2',
  serial: 'KW-0042',
  chip: 'ESP32-C3',
  name: 'door\nreader',
  version: '1.2.0',
  time: '2026-11-22T04:30:00.000Z',
  revision: 4,
  code: null,
};

describe('label texts', () => {
  it('are filled with what is known of the unit', () => {
    assert.equal(
      labelText('{chip} r{revision}\n{MAC} {macPlain} {MACSHORT} {serial} {name} {date} {version}', unit),
      'ESP32-C3 r4\n60:55:F9:0A:B1:C2 6055f90ab1c2 0AB1C2 KW-0042 door reader 2026-11-22 1.2.0',
    );
    assert.equal(labelText('{date} {time}', {}, new Date(0)), '1970-01-01 1970-01-01T00:00:00.000Z');
  });

  it('leave other braces alone', () => {
    assert.equal(labelText('{"mac":"{mac}"} {} { mac } {1}', unit), '{"mac":"60:55:f9:0a:b1:c2"} {} { mac } {1}');
  });

  it('say what a template names and the unit lacks, unless it says what stands there then', () => {
    assert.equal(labelText('[{code|none}] [{toString|}]', unit), '[none] []');
    for (const name of ['code', 'typo', 'toString', 'constructor', 'Mac']) {
      assert.throws(
        () => labelText(`{${name}}`, unit),
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'BAD_LABEL');
          assert.match(error.message, new RegExp(`\\{${name}\\}`));
          return true;
        },
      );
    }
  });
});

describe('QR codes', () => {
  it('hold the text, as another reader reads it', () => {
    for (const text of ['60:55:f9:0a:b1:c2', 'KW-0042', '0123456789', 'grün €', 'https://x.example/u?m=60']) {
      for (const border of [0, 4]) {
        assert.equal(decodeQr(modulesOfSvg(qrSvg(text, { border })), border), text);
        assert.equal(decodeQr(modulesOfText(qrText(text, { border })), border), text);
      }
    }
  });

  it('have a quiet zone of four modules, and hold more text with less correction', () => {
    const modules = modulesOfSvg(qrSvg('KW-0042'));
    assert.ok(modules.slice(0, 4).every((row) => row.every((dark) => !dark)));
    assert.ok(modules[4]?.[4]);
    const text = 'x'.repeat(60);
    assert.ok(
      modulesOfSvg(qrSvg(text, { correction: 'H' })).length > modulesOfSvg(qrSvg(text, { correction: 'L' })).length,
    );
  });

  it('refuse a text that is too long', () => {
    assert.throws(() => qrSvg('x'.repeat(2332)), { code: 'QR_TOO_LONG' });
    assert.ok(qrSvg('x'.repeat(2331)));
    assert.ok(qrText('x'.repeat(2953), { correction: 'L' }));
  });
});

/** Which modules an image of ours draws. */
function modulesOfSvg(svg: string): boolean[][] {
  const size = Number(/viewBox="0 0 (\d+) \1"/.exec(svg)?.[1]);
  const modules = Array.from({ length: size }, () => Array.from({ length: size }, () => false));
  const drawn = svg.slice(svg.lastIndexOf('<path'));
  for (const [, x, y, width] of drawn.matchAll(/M(\d+) (\d+)h(\d+)v1h-\3z/g)) {
    for (let n = 0; n < Number(width); n++) {
      const row = modules[Number(y)];
      assert.ok(row);
      row[Number(x) + n] = true;
    }
  }
  return modules;
}

function modulesOfText(text: string): boolean[][] {
  const rows = text
    .split('\n')
    .flatMap((line) => [
      [...line].map((block) => block === '█' || block === '▀'),
      [...line].map((block) => block === '█' || block === '▄'),
    ]);
  return rows.slice(0, [...(text.split('\n')[0] ?? '')].length);
}
