export { ReaderBus, type ReaderBusOptions } from './bus.ts';
export { type CrewOptions, makeReaders } from './crew.ts';
export type { BusFault } from './faults.ts';
export type { VirtualReaderEvents } from './front.ts';
export type { BusStats } from './medium.ts';
export { KEYED, NUMBERED, PERSONALITIES, parseNature } from './personalities.ts';
export { NORMAL, type Personality } from './personality.ts';
export { VirtualReader, type VirtualReaderOptions } from './reader.ts';
export { serveReaders } from './serve.ts';
