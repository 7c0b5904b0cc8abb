/** What every node of ours saves. Free of Node-RED's types, so that both halves can use it. */
export interface BaseConfig {
  id: string;
  type: string;
  name: string;
  z: string;
  /** Layout of the saved properties; migrations bring older ones up. */
  version: number;
}

/** What every node that takes messages saves. */
export interface JobConfig extends BaseConfig {
  /** Seconds; 0 or blank = none. A typed input. */
  timeout: string;
  timeoutType: string;
}

/** What every node that works on a port saves. */
export interface PortConfig extends JobConfig {
  /** Id of a keyway-port node; blank = `msg.device.port`. */
  port: string;
  /** What happens to a message while the port is in use. */
  whenBusy: 'queue' | 'refuse';
}
