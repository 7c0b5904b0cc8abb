import type { Node, NodeAPI, NodeMessageInFlow } from 'node-red';

/** What Node-RED hands to a node's module. */
export type Red = NodeAPI;
export type RedNode = Node;

/** What is known of the unit on the bench. Nodes add to it, none takes away. */
export interface Device {
  /** Base MAC, lower case with colons. */
  mac?: string;
  /** Chip family: "ESP32-C3". */
  chip?: string;
  /** Silicon revision, major × 100 + minor. */
  revision?: number;
  /** Bytes. */
  flashSize?: number;
  /** Name or address of the port it hangs on. */
  port?: string;
  [key: string]: unknown;
}

/** The work piece: what goes down the line. */
export interface Message extends NodeMessageInFlow {
  device?: Device;
  job?: string;
  cancel?: boolean;
}

export type { BaseConfig, JobConfig, PortConfig } from './saved.ts';
