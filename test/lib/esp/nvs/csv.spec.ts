import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isKeywayError } from '../../../../lib/errors/index.ts';
import { formatNvsCsv, type NvsEntry, parseNvsCsv } from '../../../../lib/esp/nvs/index.ts';
import { anyEntries, byName } from './samples.ts';

const FILES: Record<string, string | Uint8Array> = {
  'a.txt': 'from a file',
  'a.hex': '00ff\n',
  'n.txt': ' 42\n',
  'raw.bin': Uint8Array.of(0xff, 0xfe, 0),
};
const load = async (path: string): Promise<Uint8Array> => {
  const file = FILES[path];
  if (file === undefined) throw new Error(`no file ${path}`);
  return typeof file === 'string' ? new TextEncoder().encode(file) : file;
};

const parse = (text: string) => parseNvsCsv(text, load);
const rows = (...lines: string[]) => parse(['key,type,encoding,value', 'space,namespace,,', ...lines].join('\n'));
const values = async (...lines: string[]) => (await rows(...lines)).map(({ value }) => value);
const bytes = (...of: number[]): Uint8Array => Uint8Array.of(...of);

async function refuses(text: string, code: string, what: RegExp, detail: object): Promise<void> {
  await assert.rejects(parse(text), (error) => {
    assert.ok(isKeywayError(error, code), String(error));
    assert.match(error.message, what);
    assert.ok(error.hint, 'it says what to do');
    assert.deepEqual({ ...error.detail, ...detail }, error.detail);
    return true;
  });
}

const row = (line: string): string => `key,type,encoding,value\nspace,namespace,,\n${line}`;

describe('NVS CSV', () => {
  it('reads every encoding, from the row and from files', async () => {
    assert.deepEqual(await values('a,data,u8,200', 'b,data,I64,-9', 'c,data,u16, 0x10 ', 'd,file,u32,n.txt'), [
      200,
      -9n,
      16,
      42,
    ]);
    assert.deepEqual(await values('a,data,string,', 'b,data,string, x ', 'c,file,string,a.txt'), [
      '',
      ' x ',
      'from a file',
    ]);
    assert.deepEqual(await values('a,data,hex2bin,00fF', 'b,file,HEX2BIN,a.hex', 'c,data,hex2bin,'), [
      bytes(0, 255),
      bytes(0, 255),
      bytes(),
    ]);
    assert.deepEqual(await values('a,data,base64,AAE=', 'b,data,base64,"AA\nE="', 'c,data,base64,'), [
      bytes(0, 1),
      bytes(0, 1),
      bytes(),
    ]);
    assert.deepEqual(await values('a,data,binary,hé', 'b,file,binary, raw.bin '), [
      bytes(0x68, 0xc3, 0xa9),
      bytes(255, 254, 0),
    ]);
    assert.deepEqual(await values('a,file,string,raw.bin').catch((error) => error.code), 'BAD_NVS_VALUE');
    assert.deepEqual(
      await values('a,data,blob_fill(4;0xAB),xy', 'b,data,blob_sz_fill(3;0x00),xy', 'c,data,blob_fill(0;0x00),'),
      [bytes(0x78, 0x79, 0xab, 0xab), bytes(2, 0, 0, 0, 0x78, 0x79, 0), bytes()],
    );
  });

  it('reads quotes, comments, blank rows, any line ends and any order of columns', async () => {
    const text = [
      '\ufeff# a comment',
      '"Value",key, TYPE ,encoding',
      ',space,namespace,',
      '',
      ' , , , ',
      '"a,""b""\r\nc",k1,data,string',
      '#"7,k,data,u8',
      '7,k2,data,u8',
      'say "hi",k3,data,string',
    ].join('\r\n');
    const entries: NvsEntry[] = [
      { namespace: 'space', key: 'k1', encoding: 'string', value: 'a,"b"\nc' },
      { namespace: 'space', key: 'k2', encoding: 'u8', value: 7 },
      { namespace: 'space', key: 'k3', encoding: 'string', value: 'say "hi"' },
    ];
    assert.deepEqual(await parse(text), entries);
    assert.deepEqual(await parse(text.replaceAll('\r\n', '\r')), entries);
  });

  it('goes on in a namespace that is opened again', async () => {
    const entries = await rows('a,data,u8,1', 'other,namespace', 'b,data,u8,2', 'space,namespace,,', 'c,data,u8,3');
    assert.deepEqual(
      entries.map(({ namespace, key }) => `${namespace}/${key}`),
      ['space/a', 'other/b', 'space/c'],
    );
  });

  it('what is formatted is read back', async () => {
    await fc.assert(
      fc.asyncProperty(anyEntries, async (entries) => {
        let text: string;
        try {
          text = formatNvsCsv(entries);
        } catch (error) {
          // CSV cannot carry those, and says so.
          assert.ok(
            isKeywayError(error, 'BAD_NVS_VALUE') &&
              /\r|\n#/.test(JSON.stringify(entries).replaceAll('\\r', '\r').replaceAll('\\n', '\n')),
          );
          return;
        }
        assert.deepEqual(byName(await parse(text)), byName(entries));
      }),
    );
  });

  it('formats blobs as text that fits, and says what CSV cannot carry', async () => {
    const blob = (length: number): NvsEntry => ({
      namespace: 'n',
      key: 'k',
      encoding: 'blob',
      value: new Uint8Array(length),
    });
    assert.match(formatNvsCsv([blob(4000)]), /,data,hex2bin,0{8000}\n$/);
    assert.match(formatNvsCsv([blob(4001)]), /,data,base64,A{5335}=\n$/);
    assert.equal(
      formatNvsCsv([{ namespace: 'n', key: '#k', encoding: 'string', value: '# "x"' }]),
      'key,type,encoding,value\nn,namespace,,\n"#k",data,string,"# ""x"""\n',
    );
    for (const value of ['a\rb', 'a\n#b', bytes(0xff)]) {
      const entry: NvsEntry = { namespace: 'n', key: 'k', encoding: 'string', value };
      assert.throws(() => formatNvsCsv([entry]), { code: 'BAD_NVS_VALUE' });
    }
    assert.throws(() => formatNvsCsv([{ namespace: 'n', key: 'a\rb', encoding: 'u8', value: 1 }]), {
      code: 'BAD_NVS_VALUE',
    });
    assert.throws(() => formatNvsCsv([{ namespace: 'n\n#', key: 'a', encoding: 'u8', value: 1 }]), {
      code: 'BAD_NVS_VALUE',
    });
    assert.throws(() => formatNvsCsv([blob(1), blob(2)]), { code: 'NVS_DUPLICATE_KEY' });
  });

  it('says on which line and in which column it breaks a rule', async () => {
    const cases: [string, RegExp, object][] = [
      ['', /there is no row/, { line: 1, column: 1 }],
      ['# only\n\n', /there is no row/, { line: 1 }],
      ['\nkey,type,value', /no column "encoding"/, { line: 2, field: 'encoding' }],
      ['key,type,encoding,value\na,data,u8,1', /no row has named/, { line: 2, column: 2, field: 'type' }],
      [row('a,number,u8,1'), /type "number" is not known/, { line: 3, column: 2 }],
      [row('a,,u8,1'), /type "" is not known/, { line: 3, column: 2 }],
      [row('a,data,u128,1'), /encoding "u128" is not known/, { line: 3, column: 3, field: 'encoding' }],
      [row('a,data,,1'), /encoding is missing/, { line: 3, column: 3 }],
      [row('a'), /type "" is not known/, { line: 3 }],
      [row('a,data,u8,1,2'), /5 columns instead of 4/, { line: 3, column: 5 }],
      [row('a,file,u8,'), /path of the file is missing/, { line: 3, column: 4 }],
      [row('a,data,hex2bin,123'), /has 3 hexadecimal digits/, { line: 3, column: 4, field: 'value' }],
      [row('a,data,hex2bin,12canary34'), /character 5 is no hexadecimal/, { line: 3, column: 4 }],
      [row('a,file,hex2bin,raw.bin'), /the file is no text/, { line: 3, column: 4 }],
      [row('a,data,base64,AAE'), /is no base64/, { line: 3, column: 4 }],
      [row('a,data,base64,A*E='), /is no base64/, { line: 3, column: 4 }],
      [row('a,data,blob_fill(1;0x00),canary'), /has 6 bytes, the fill 1/, { line: 3, column: 4 }],
      [row('a,data,blob_fill(999999;0x00),'), /999999 bytes is too long/, { line: 3, column: 3 }],
      [row('a,data,string,"canary'), /a quote is not closed/, { line: 3, column: 4 }],
      [row('a,data,string,"x"canary'), /text follows a closing quote/, { line: 3, column: 4 }],
      [row('# c\n\na,data,string,"x\ny"\nb,data,u9,1'), /"u9"/, { line: 7, column: 3 }],
    ];
    for (const [text, what, detail] of cases) await refuses(text, 'BAD_NVS_CSV', what, detail);
    await refuses('x'.repeat((8 << 20) + 1), 'BAD_NVS_CSV', /characters/, { line: 1 });
  });

  it('says on which line an entry cannot be stored', async () => {
    await refuses(row('a,data,u8,256'), 'BAD_NVS_VALUE', /256 is out of range/, { line: 3, key: 'a' });
    await refuses(row('a,data,u8,canary'), 'BAD_NVS_VALUE', /^((?!canary).)*$/, { line: 3 });
    await refuses(row('abcdefghijklmnop,data,u8,1'), 'BAD_NVS_KEY', /longer than 15/, { line: 3 });
    await refuses(row(',data,u8,1'), 'BAD_NVS_KEY', /is empty/, { line: 3 });
    await refuses(row('abcdefghijklmnop,namespace,,'), 'BAD_NVS_NAMESPACE', /longer than 15/, { line: 3, column: 1 });
    await refuses(row('a,data,u8,1\n\na,data,u8,2'), 'NVS_DUPLICATE_KEY', /"a" twice/, { line: 5 });
    await refuses(row(`a,data,string,${'x'.repeat(4000)}`), 'NVS_STRING_TOO_LONG', /4000 bytes/, { line: 3 });
    await assert.rejects(rows('a,file,binary,gone.bin'), /no file gone\.bin/);
  });
});
