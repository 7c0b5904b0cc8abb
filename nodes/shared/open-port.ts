import { borrowSerialPort, type Link, openLink, type SerialPortConfig } from '../../lib/link/index.ts';
import type { PortTarget } from './deployed.ts';

/** An open port. Closing it also hands it back to whoever it was borrowed from. */
export interface OpenPort {
  readonly link: Link;
  close(): Promise<void>;
}

/** Opens a port, borrowing it where it is somebody else's. @throws what lib/link throws */
export async function openPort(target: PortTarget, owner: string, signal?: AbortSignal): Promise<OpenPort> {
  const options = {
    owner,
    name: target.name,
    baudRate: target.baudRate,
    ...(signal === undefined ? {} : { signal }),
  };
  if (target.lender !== undefined) return await borrow(target.lender, options);
  const link = await openLink(target.address, options);
  return { link, close: () => link.close() };
}

/** The loan lasts until close(): its use is a promise that close() fulfils. */
function borrow(lender: SerialPortConfig, options: Parameters<typeof openLink>[1]): Promise<OpenPort> {
  return new Promise((resolve, reject) => {
    let end = (): void => undefined;
    const until = new Promise<void>((done) => {
      end = done;
    });
    const loan = borrowSerialPort(
      lender,
      (link) => {
        const close = async (): Promise<void> => {
          end();
          await loan;
        };
        resolve({ link, close });
        return until;
      },
      options,
    );
    loan.catch(reject);
  });
}
