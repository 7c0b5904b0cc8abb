/** What trust costs: renewing, revoking a device among many, lists of a hundred thousand, and the endpoint. */
import { endpointMessages } from './bench/endpoint-messages.ts';
import { revokeCut } from './bench/endpoint-revoke.ts';
import type { Row } from './bench/report.ts';
import { measureReenroll } from './bench/trust-est.ts';
import { measureLists } from './bench/trust-lists.ts';

export async function measure(): Promise<Row[]> {
  return [
    ...(await measureReenroll()),
    ...(await measureLists()),
    ...(await revokeCut()),
    ...(await endpointMessages()),
  ];
}
