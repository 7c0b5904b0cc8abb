import { createServer } from 'node:net';
import { codeOf, KeywayError } from '../../lib/errors/index.ts';
import { type EstEvent, type EstListener, listenEst } from '../../lib/pki/node.ts';
import { authorityById } from '../shared/authority.ts';
import { fail } from '../shared/errors.ts';
import { holdTrust } from '../shared/trust.ts';
import { serviceNames } from '../shared/trust-certificate.ts';
import type { EstConfig } from './config.ts';

/**
 * Opens an EST service: judge and lists first, then the listener.
 * @param restored is told that the registry was restored: it works with another authority then
 * @throws AUTHORITY_NOT_SET, BAD_FIELD, EST_LISTEN, what the authority and the registry throw
 */
export async function openEst(
  config: EstConfig,
  onEvent: (event: EstEvent) => void,
  restored: () => void,
): Promise<EstListener> {
  const deployed = authorityById(config.authority);
  const host = config.host.trim() || '127.0.0.1';
  const hold = holdTrust(deployed);
  try {
    const { judge, authority, registry: store } = await hold.open();
    const port = portIn(config);
    // A try that fails must not cost a certificate.
    await canListen(host, port);
    const listener = await listenEst({
      ...{ judge, authority, store, host, onEvent },
      namespaces: deployed.namespaces,
      port,
      names: serviceNames(host, config.names),
    });
    const silence = store.subscribe(({ topic }) => {
      if (topic === 'registry.restored') restored();
    });
    const close = async (): Promise<void> => {
      silence();
      await listener.close();
      await hold.release();
    };
    return {
      host: listener.host,
      port: listener.port,
      url: listener.url,
      get certificate() {
        return listener.certificate;
      },
      close,
    };
  } catch (error) {
    await hold.release();
    throw error;
  }
}

/** @throws EST_LISTEN */
function canListen(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (cause) => {
      const why = codeOf(cause, 'it cannot be opened');
      reject(
        new KeywayError('EST_LISTEN', `The EST service cannot listen on ${host}, port ${port}: ${why}.`, {
          hint: 'Choose another port, or end the program that has it.',
          cause,
          detail: { field: 'port', value: port },
        }),
      );
    });
    server.listen(port, host, () => server.close(() => resolve()));
  });
}

function portIn({ port }: EstConfig): number {
  const text = String(port).trim();
  const value = text === '' ? 8443 : Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= 65_535) return value;
  throw fail(
    'BAD_FIELD',
    `The field "port" of the EST service must be from 0 to 65535; it is "${text.slice(0, 40)}".`,
    {
      hint: 'Open the EST service and correct it.',
      detail: { field: 'port', value: text.slice(0, 40) },
    },
  );
}
