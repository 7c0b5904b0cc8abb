/** What lib/pki offers beyond index.ts when it runs in Node. */
export { Authority } from './authority/authority.ts';
export type { ImportSource } from './authority/imports.ts';
export type { AuthorityKeyKind } from './authority/material.ts';
export type { PoolOptions } from './authority/pool.ts';
export type {
  AuthorityOptions,
  AuthorityState,
  DeviceRequest,
  IntermediateTerms,
  Issued,
  RootTerms,
  ServiceRequest,
} from './authority/types.ts';
export { distinguishedName } from './certificate/names.ts';
export { CertificateTemplate } from './certificate/template.ts';
export { crlErrors } from './crl/errors.ts';
export { type CrlRequest, type CrlResponse, createCrlHandler } from './crl/handler.ts';
export type { CrlDescription, CrlEntry } from './crl/inspect.ts';
export { parseCrl } from './crl/inspect.ts';
export { CrlPublisher } from './crl/publisher.ts';
export type { Crl, CrlAuthority, CrlCause, CrlEvent, CrlFile, CrlPublisherOptions } from './crl/types.ts';
export { createEnrolment, ENROL_BODY_MOST, type Enrol, type EnrolOptions, type EnrolRequest } from './enrol/enrol.ts';
export type { EnrolResponse } from './enrol/problems.ts';
export { createTicket, createToken, type TicketFor, type TokenScope, type TokenTerms } from './enrol/tickets.ts';
export { createEstClient } from './est/client.ts';
export { estErrors } from './est/errors.ts';
export { listenEst } from './est/listen.ts';
export { EST_BODY_MOST } from './est/request.ts';
export { createEst } from './est/service.ts';
export type {
  Est,
  EstCertificate,
  EstClient,
  EstClientOptions,
  EstEvent,
  EstIdentity,
  EstListener,
  EstListenOptions,
  EstOptions,
  EstRequest,
  EstResponse,
} from './est/types.ts';
export { nodePki, signingKey } from './platform.node.ts';
export { type TrustCode, trustErrors } from './trust/errors.ts';
export { createJudge } from './trust/judge.ts';
export { createRefusals, type Refusal, type Refusals, type RefusalsOptions } from './trust/refusals.ts';
export type {
  Admitted,
  Cut,
  Judge,
  JudgeOptions,
  JudgeRequest,
  Refused,
  RevokedList,
  TrustAuthority,
  TrustDevice,
  TrustEvent,
  TrustStore,
  Verdict,
} from './trust/types.ts';
