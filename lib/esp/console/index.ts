/** What a chip prints: log lines, and the ROM's word on why and how it booted. */
export { type BootMode, readBootMode } from './boot-mode.ts';
export { type ConsoleLine, type ConsoleOptions, ConsoleParser, parseConsoleLine } from './parser.ts';
