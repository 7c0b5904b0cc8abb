/**
 * An MQTT endpoint for devices (3.1.1 and 5) over mutual TLS: each speaks with the flow behind it, under topics of its
 * own, as long as its certificate holds. No general broker: `mosquitto/` helps to put one in front. Needs Node.
 */
export { type Clock, realClock } from './clock.ts';
export { DeviceEndpoint } from './endpoint.ts';
export { endpointErrors } from './errors.ts';
export { type MosquittoConfig, mosquittoConfig } from './mosquitto/config.ts';
export { MosquittoControl, type MosquittoControlOptions } from './mosquitto/control.ts';
export { cutAtMosquitto, type MosquittoCut, type MosquittoFront } from './mosquitto/front.ts';
export { type MosquittoReload, reloadMosquitto } from './mosquitto/reload.ts';
export { type PresenceOptions, registryPresence, settlePresence } from './presence.ts';
export { DEFAULT_LIMITS } from './settings.ts';
export { isFilter, matches } from './topics.ts';
export type * from './types.ts';
