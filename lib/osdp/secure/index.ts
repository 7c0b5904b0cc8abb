export { aesCmac } from './cmac.ts';
export { checkAddress, checkKey, deriveScbk, isForbiddenKey, KDF, type KeySource, SCBK_D } from './keys.ts';
export {
  type EndReason,
  type HandshakeMessage,
  type KeyKind,
  PanelChannel,
  PanelHandshake,
  type PanelReceipt,
  uidOf,
} from './panel.ts';
export { ReaderChannel, ReaderHandshake, type ReaderReceipt } from './reader.ts';
export { type Opened, open, type Sealable, type Sealed, SessionKeys, seal } from './session.ts';
