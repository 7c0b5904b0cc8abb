/** How a command went: a stub code (0 = well), what to reply with, what to do once the reply is out. */
export interface Outcome {
  readonly error?: number;
  readonly value?: number;
  readonly data?: Uint8Array;
  readonly after?: () => Generator<number | null, number, void>;
}
