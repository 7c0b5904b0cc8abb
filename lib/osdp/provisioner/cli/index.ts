export { type RunningProvisioner, type StartOptions, startProvisioner } from './start.ts';
