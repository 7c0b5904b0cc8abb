export { formatProvisionerAddress, type ProvisionerAddress, parseProvisionerAddress } from './address.ts';
export { type Peer, PeerBook } from './book.ts';
export { provisionerLinkErrors } from './errors.ts';
export { type HubOptions, type HubTimes, ProvisionerHub } from './hub.ts';
export { type LinkIdentity, makeLinkIdentity, openLinkIdentity } from './identity.ts';
export { type Listening, listen, listenLink } from './listen.ts';
export type { LinkEvent, LinkLog } from './log.ts';
export type { Cursor, Hello } from './messages.ts';
export { PairingDesk, readCode } from './pairing.ts';
