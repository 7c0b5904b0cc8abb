import type { Migration } from '../shared/migrate.ts';
import type { BaseConfig } from '../shared/saved.ts';

export const models = ['esp32', 'esp32s3', 'esp32c3'] as const;
export const flashSizes = ['2MB', '4MB', '8MB', '16MB'] as const;
/** auto: paced like a real line, unless the environment variable KEYWAY_LINE says free. */
export const lines = ['auto', 'paced', 'free'] as const;
export const starts = ['blank', 'demo'] as const;
/** Through a bridge on its UART, or by the controller in the chip, which goes and comes with it. */
export const connections = ['uart', 'usb-jtag'] as const;
export const secureBoots = ['off', 'v1', 'v2'] as const;
/** development: the loader may still write through the encryption. release: it may not, for good. */
export const encryptions = ['off', 'development', 'release'] as const;

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
  connection: (typeof connections)[number];
  secureBoot: (typeof secureBoots)[number];
  encryption: (typeof encryptions)[number];
  /** Whether its loader answers the commands of secure download mode alone. */
  secureDownload: boolean;
  /** Loopback ports on which it is served besides; 0 or blank = not. */
  rfc2217Port: string;
  tcpPort: string;
  /** Path of a pseudo-terminal at which it is served besides, made when it starts; blank = not. */
  ptyPath: string;
  /** "mqtts://host:port" that its application connects to; blank = that beside its identity. */
  broker: string;
  /** "https://host:port" of the EST service that it renews by; blank = it does not renew. */
  est: string;
  /** Whether an app that has found its identity goes on as the test application. */
  application: boolean;
  /** Part of the validity after which it renews, 0.05 … 0.95; blank = hour 18 of each 24-hour window. */
  renewPart: string;
  /** Name in the certificates of both; blank = the hosts of the addresses. */
  serverName: string;
}

export const defaults = {
  name: 'bench-1',
  model: 'esp32c3',
  mac: '',
  flashSize: '4MB',
  line: 'auto',
  flashTiming: false,
  start: 'blank',
  connection: 'uart',
  secureBoot: 'off',
  encryption: 'off',
  secureDownload: false,
  rfc2217Port: '',
  tcpPort: '',
  ptyPath: '',
  application: false,
  broker: '',
  est: '',
  renewPart: '',
  serverName: '',
  version: 2,
} satisfies Partial<VirtualChipConfig>;

/** Version 1 knew neither security nor USB: what is new is filled in with its defaults, which change nothing. */
export const migrations: readonly Migration[] = [(saved) => saved];
