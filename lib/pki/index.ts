/** What runs anywhere, browsers included: names, signing requests, looking at certificates. node.ts has the authority. */
export { type CertificateDescription, describeCertificate } from './certificate/describe.ts';
export { type Certificate, parseCertificate } from './certificate/inspect.ts';
export { checkKeyPolicy, type KeyPolicy, type PublicKeyInfo } from './certificate/keys.ts';
export type { AlternativeName } from './certificate/names.ts';
export { createCsr, type MadeRequest } from './csr/create.ts';
export { createIdentityKey, type IdentityKey } from './csr/identity.ts';
export { CSR_MOST, type CsrSignature, parseCsr, type SigningRequest } from './csr/parse.ts';
export { verifyCsr } from './csr/verify.ts';
export { type Der, type DerLimits, parseDer } from './der/reader.ts';
export { pkiErrors } from './errors.ts';
export { AUTHORITY_NAMESPACE, deviceCommonName, hostName, namespaceName, normaliseMac } from './names.ts';
export { type PemBlock, type PemLabel, parsePem, pemBlock, toPem, toPemBytes } from './pem.ts';
export { type PkiPlatform, type SigningKey, webPki } from './platform.ts';
export {
  DEFAULT_SETTINGS,
  type NamespaceSettings,
  type Rotation,
  readSettings,
  renewalTime,
  spreadRenewalTime,
} from './settings.ts';
export type {
  AuthorityStore,
  CertificateKind,
  CertificateRecord,
  CertificateState,
  JsonObject,
  NamespaceRecord,
  NewToken,
  TicketTerms,
  TokenRecord,
} from './store.ts';
