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
export { createEnrolment, ENROL_BODY_MOST, type Enrol, type EnrolOptions, type EnrolRequest } from './enrol/enrol.ts';
export type { EnrolResponse } from './enrol/problems.ts';
export { createTicket, createToken, type TicketFor, type TokenScope, type TokenTerms } from './enrol/tickets.ts';
export { nodePki, signingKey } from './platform.node.ts';
