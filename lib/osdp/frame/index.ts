export { checksum, crc16 } from './check.ts';
export {
  type Check,
  CONFIGURATION_ADDRESS,
  carriesMac,
  decodeFrame,
  encodeFrame,
  type Frame,
  type FrameFault,
  type FrameFields,
  frameLength,
  MARK,
  MAX_FRAME,
  MIN_BUFFER,
  putCheck,
  type SecurityBlock,
  type Sequence,
  SOM,
  withMark,
} from './frame.ts';
export { FrameParser, type ParserCounts, type ParserOptions } from './parser.ts';
