/** A reply, opened and verified where it was sealed. */
export interface Received {
  readonly code: number;
  readonly data: Uint8Array;
  /** It came under the secure channel. */
  readonly sealed: boolean;
  /** The address in the reply. */
  readonly address: number;
}

export interface SendOptions {
  /** How often the same bytes are sent again. Default 3. */
  readonly retries?: number;
  readonly timeoutMs?: number;
  /** Ends the wait for a reply at once: the reader may then talk into what is sent next. */
  readonly signal?: AbortSignal | undefined;
  /** Ends between two frames: the reply to the one under way is waited for. Throws its reason. */
  readonly stop?: AbortSignal | undefined;
  /** Counted up. */
  readonly tally?: SendTally | undefined;
}

/** What was sent and met. */
export interface SendTally {
  /** Frames sent, those sent again included. */
  frames: number;
  resends: number;
  /** Times that the reader was busy. */
  busies: number;
}
