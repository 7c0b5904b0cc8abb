/** step-ca's authority, in memory, in a process of its own: what peers/step-ca builds to. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const SOURCE = fileURLToPath(new URL('../peers/step-ca/', import.meta.url));
const FOLDER = fileURLToPath(new URL('../../build/benchmarks/peers/', import.meta.url));
const PROGRAM = `${FOLDER}step-ca${process.platform === 'win32' ? '.exe' : ''}`;
/** The first build fetches and compiles its modules. */
const BUILD_MS = 900_000;

export interface StepCa {
  readonly version: string;
  /** On how many it signs. */
  readonly processors: number;
  /** Signs so many. @returns the seconds that it took */
  sign(count: number): Promise<number>;
  close(): Promise<void>;
}

/** Builds and starts it, or says why it is missing. @param requests signing requests, DER */
export async function startStepCa(requests: readonly Uint8Array[]): Promise<StepCa | { readonly missing: string }> {
  try {
    await mkdir(FOLDER, { recursive: true });
    const env = { ...process.env, CGO_ENABLED: '0' };
    await promisify(execFile)('go', ['build', '-trimpath', '-o', PROGRAM, '.'], {
      cwd: SOURCE,
      env,
      timeout: BUILD_MS,
    });
  } catch (error) {
    return { missing: reason(error as Error & { code?: unknown; stderr?: string }) };
  }
  const [, version = ''] = /smallstep\/certificates (v\S+)/.exec(await readFile(`${SOURCE}go.mod`, 'utf8')) ?? [];
  const child = spawn(PROGRAM, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (text: string): Promise<number> => {
    child.stdin.write(`${text}\n`);
    const { value } = (await lines.next()) as { value: string | undefined };
    if (value === undefined) throw new Error('step-ca’s authority stopped.');
    return Number(value);
  };
  try {
    const processors = await ask(requests.map((der) => Buffer.from(der).toString('base64')).join(' '));
    return { version, processors, sign: (count) => ask(String(count)), close: () => ended(child) };
  } catch (error) {
    await ended(child);
    throw error;
  }
}

function reason({ code, stderr }: Error & { code?: unknown; stderr?: string }): string {
  if (code === 'ENOENT') return 'there is no go';
  return `go build: ${stderr?.trim().split('\n').at(-1) || 'failed'}`;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.stdin?.end();
  await exit;
}
