import { errorMaker } from '../../lib/errors/index.ts';

/** What can go wrong in the nodes of a provisioner, beside what the libraries underneath report. */
export const provisionerNodeErrors = {
  PROVISIONER_NOT_SET: 'the node names no provisioner, or one that is not deployed',
  NO_PROVISIONING_PLAN: 'there is no plan of readers in the message',
  NO_FREE_SLOT: 'every provisioner slot holds a plan already',
  SLOT_DELETED: 'the provisioner slot was deleted while a step of it ran',
  EXPORT_NOT_ALLOWED: 'exporting keys is not switched on in this node',
  PORT_NOT_SUITABLE: 'the port is none that a provisioner can take over',
} as const;

export const fail = errorMaker(provisionerNodeErrors);
