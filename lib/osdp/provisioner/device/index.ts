export { EDGES_MOST } from './edges.ts';
export type { ProvisionerLogLine, ProvisionerOptions, StepRunner } from './options.ts';
export { SLOTS_MOST } from './options.ts';
export { openProvisioner, type Provisioner } from './provisioner.ts';
