export type { Where } from './dial.ts';
export { type Discovered, type DiscoverOptions, discoverProvisioners } from './discover.ts';
export type { GreetOptions, Pins } from './greet.ts';
export { type HostNews, type HostOptions, type HostState, ProvisionerHost } from './host.ts';
export type { EdgeListener } from './inbox.ts';
export { pairProvisioner } from './pair.ts';
export { type SharedHost, shareHost } from './share.ts';
export { type SpawnedProvisioner, type SpawnOptions, type SpawnState, spawnProvisioner } from './spawn.ts';
