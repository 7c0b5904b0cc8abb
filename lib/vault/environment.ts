import { secretCopy, wipe } from './bytes.ts';
import { fail } from './errors.ts';

/** Values that were taken out of the environment: a flow that is deployed again needs them again. */
const taken = new Map<string, Buffer>();

/**
 * A secret that was given in an environment variable. The variable is read once and removed from `process.env`, so
 * that neither child processes nor other nodes see it; later calls get a copy from memory. The caller overwrites
 * its copy after use, or gives it to `createHandle`, which does.
 *
 * The system's own record of the variables that the process was started with (/proc/<pid>/environ) cannot be changed.
 *
 * @throws SECRET_MISSING naming the variable.
 */
export function takeEnvironmentSecret(name: string): Buffer {
  const value = process.env[name];
  if (value !== undefined && value !== '') {
    forget(name);
    const bytes = Buffer.from(value, 'utf8');
    taken.set(name, secretCopy(bytes));
    wipe(bytes);
  }
  delete process.env[name];
  const bytes = taken.get(name);
  if (bytes === undefined) {
    throw fail('SECRET_MISSING', `The environment variable ${name} is not set, or is empty.`, {
      hint: 'Set it where Node-RED is started, for instance in its service unit.',
      detail: { field: 'name', value: name },
    });
  }
  return secretCopy(bytes);
}

/** Overwrites all that was taken. */
export function wipeEnvironmentSecrets(): void {
  for (const name of [...taken.keys()]) forget(name);
}

function forget(name: string): void {
  const bytes = taken.get(name);
  if (bytes !== undefined) wipe(bytes);
  taken.delete(name);
}
