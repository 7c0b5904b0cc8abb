import { EventEmitter } from 'node:events';

/** As much of a TLS socket as the endpoint uses; nothing of it waits. */
export class FakeSocket extends EventEmitter {
  readonly written: string[] = [];
  /** What is written stays. */
  blocked = false;
  paused = false;
  destroyed = false;
  writableLength = 0;

  give(bytes: ArrayLike<number>): void {
    this.emit('data', Buffer.from(bytes as number[]));
  }

  write(bytes: Buffer): boolean {
    this.written.push(bytes.toString('hex'));
    if (this.blocked) this.writableLength += bytes.length;
    return !this.blocked;
  }

  drain(): void {
    this.blocked = false;
    this.writableLength = 0;
    this.emit('drain');
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit('close');
  }

  destroySoon(): void {
    this.destroy();
  }

  isSessionReused(): boolean {
    return false;
  }

  getPeerX509Certificate(): undefined {
    return undefined;
  }
}
