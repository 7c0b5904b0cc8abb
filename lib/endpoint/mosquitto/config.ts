import { fail } from '../errors.ts';

/** What a mosquitto in front of the flow is set up with. Paths are absolute. */
export interface MosquittoConfig {
  /** For devices, mutual TLS. Default 8883. */
  readonly port?: number;
  /** Private key and certificate (with its intermediates) of the broker. */
  readonly keyFile: string;
  readonly certFile: string;
  /** Root and intermediates of the devices' certificates. */
  readonly caFile: string;
  /** Written by us after each revocation. */
  readonly crlFile: string;
  readonly pidFile: string;
  /** For flows and for kicking, on loopback. Default 1883. */
  readonly localPort?: number;
  /** The dynamic security plugin and its file; without them sessions cannot be ended. */
  readonly dynamicSecurity?: { readonly plugin: string; readonly file: string };
}

/**
 * A configuration for mosquitto 2: devices by mutual TLS with a revocation list, everybody else on loopback by name and
 * password. mosquitto looks at the certificate of the device alone, reads the list at its start and on SIGHUP, and lets
 * nobody in once the list is older than its next update.
 * @throws BAD_SETTINGS
 */
export function mosquittoConfig(config: MosquittoConfig): string {
  const { port = 8883, localPort = 1883, keyFile, certFile, caFile, crlFile, pidFile, dynamicSecurity } = config;
  const path = (field: string, value: string): string => {
    if (typeof value === 'string' && value.startsWith('/') && !/[\p{Cc}]/u.test(value)) return value;
    throw fail('BAD_SETTINGS', `The setting ${field} is no absolute path.`, {
      hint: 'Give an absolute path without control characters.',
      detail: { field },
    });
  };
  for (const [field, value] of Object.entries({ port, localPort })) {
    if (Number.isInteger(value) && value >= 1 && value <= 65_535) continue;
    throw fail('BAD_SETTINGS', `The setting ${field} is no port.`, { hint: 'Give 1 to 65535.', detail: { field } });
  }
  return [
    'per_listener_settings false',
    'allow_anonymous false',
    `pid_file ${path('pidFile', pidFile)}`,
    ...(dynamicSecurity === undefined
      ? []
      : [
          `plugin ${path('plugin', dynamicSecurity.plugin)}`,
          `plugin_opt_config_file ${path('file', dynamicSecurity.file)}`,
        ]),
    '',
    `listener ${port}`,
    `certfile ${path('certFile', certFile)}`,
    `keyfile ${path('keyFile', keyFile)}`,
    `cafile ${path('caFile', caFile)}`,
    `crlfile ${path('crlFile', crlFile)}`,
    'require_certificate true',
    'use_identity_as_username true',
    '',
    `listener ${localPort} 127.0.0.1`,
    '',
  ].join('\n');
}
