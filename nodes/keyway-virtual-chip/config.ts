import type { BaseConfig } from '../shared/saved.ts';

export const models = ['esp32c3'] as const;
export const flashSizes = ['2MB', '4MB', '8MB', '16MB'] as const;
/** auto: paced like a real line, unless the environment variable KEYWAY_LINE says free. */
export const lines = ['auto', 'paced', 'free'] as const;
export const starts = ['blank', 'demo'] as const;

export interface VirtualChipConfig extends BaseConfig {
  model: (typeof models)[number];
  /** Blank: a locally administered one made from the node's id. */
  mac: string;
  flashSize: (typeof flashSizes)[number];
  line: (typeof lines)[number];
  /** Whether erasing and writing take the time of a real flash chip. */
  flashTiming: boolean;
  /** What is in the flash when the chip is first made. */
  start: (typeof starts)[number];
  /** Loopback ports on which it is served besides; 0 or blank = not. */
  rfc2217Port: string;
  tcpPort: string;
  /** Path of a pseudo-terminal at which it is served besides, made when it starts; blank = not. */
  ptyPath: string;
}

export const defaults = {
  name: 'bench-1',
  model: 'esp32c3',
  mac: '',
  flashSize: '4MB',
  line: 'auto',
  flashTiming: false,
  start: 'blank',
  rfc2217Port: '',
  tcpPort: '',
  ptyPath: '',
  version: 1,
} satisfies Partial<VirtualChipConfig>;
