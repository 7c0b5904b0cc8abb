export { CAPABILITIES, featuresOf, type ReaderFeatures } from './capabilities.ts';
export { type CardBits, type CardNumber, encodeCard26, readCard } from './cards.ts';
export {
  COMMANDS,
  type Command,
  type CommandFields,
  type CommandName,
  commandName,
  decodeCommand,
  encodeCommand,
  type LedControl,
  type LedSetting,
  type OpaqueMessage,
  type OutputControl,
} from './commands.ts';
export type { Fragment } from './fields.ts';
export {
  type Capability,
  type DeviceId,
  decodeReply,
  encodeReply,
  NAK_REASONS,
  REPLIES,
  type Reply,
  type ReplyFields,
  type ReplyName,
  replyName,
} from './replies.ts';
