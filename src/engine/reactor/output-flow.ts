/**
 * How much output of a function is on its way to the engine's thread. A function that writes without pause is not read
 * any further until the engine has caught up: its pipe fills, and the kernel makes it wait.
 */
const highWaterBytes = 1024 * 1024;
const lowWaterBytes = 256 * 1024;

export class OutputFlow {
  #pendingBytes = 0;
  #room: PromiseWithResolvers<void> | null = null;

  /** Bytes were handed over. */
  sent(bytes: number): void {
    this.#pendingBytes += bytes;
    if (this.#pendingBytes > highWaterBytes) this.#room ??= Promise.withResolvers<void>();
  }

  /** Bytes were taken in. */
  acknowledged(bytes: number): void {
    this.#pendingBytes = Math.max(0, this.#pendingBytes - bytes);
    if (this.#pendingBytes > lowWaterBytes) return;
    this.#room?.resolve();
    this.#room = null;
  }

  /** `null` while there is room, else a promise of it. */
  get room(): Promise<void> | null {
    return this.#room?.promise ?? null;
  }
}
