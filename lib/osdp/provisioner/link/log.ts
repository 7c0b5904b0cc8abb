/** What a provisioner tells of its link, for its own log. Never a secret. */
export interface LinkEvent {
  readonly event:
    | 'listening'
    | 'attached'
    | 'left'
    | 'busy'
    | 'taken-over'
    | 'takeover-refused'
    | 'pairing-open'
    | 'paired'
    | 'pairing-wrong'
    | 'forgotten'
    | 'enrolled'
    | 'stranger'
    | 'abandoned'
    | 'failed';
  /** Fingerprint or `unix`. */
  readonly host?: string;
  readonly name?: string;
  readonly text?: string;
}

export type LinkLog = (event: LinkEvent) => void;
