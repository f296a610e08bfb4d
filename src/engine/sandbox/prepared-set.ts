/** The restores that are prepared for one function, all of the same image. */
import type { Image } from "../snapshot/image.ts";
import type { PreparedRestore } from "./prepared-restore.ts";

export class PreparedSet implements AsyncDisposable {
  #ready: PreparedRestore[] = [];
  /** Raised by `clear`: what is being made meanwhile is not wanted any more. */
  #generation = 0;

  get count(): number {
    return this.#ready.filter(({ isUsable }) => isUsable).length;
  }

  /** The one that has waited longest; `null` when none fits. The others stay. */
  take(image: Image): PreparedRestore | null {
    this.#dropUnfit(image);
    return this.#ready.shift() ?? null;
  }

  /** The one that is taken next, and stays for now; `null` when none fits. */
  first(image: Image): PreparedRestore | null {
    this.#dropUnfit(image);
    return this.#ready[0] ?? null;
  }

  /** Whether it is still one of them: neither taken nor given up. */
  has(prepared: PreparedRestore): boolean {
    return this.#ready.includes(prepared);
  }

  /** Whether one of them is restored already. */
  get holds(): boolean {
    return this.#ready.some(({ heldPid, isUsable }) => heldPid !== null && isUsable);
  }

  /** Makes so many ready, one after another, and gives up what is too many. Rejects with what `make` does. */
  async fill(image: Image, count: number, make: () => Promise<PreparedRestore>): Promise<void> {
    this.#dropUnfit(image);
    for (const surplus of this.#ready.splice(count)) surplus[Symbol.dispose]();
    const generation = this.#generation;
    while (this.#ready.length < count && this.#generation === generation) {
      const made = await make();
      if (this.#generation === generation) this.#ready.push(made);
      else made[Symbol.dispose]();
    }
  }

  #dropUnfit(image: Image): void {
    const kept = this.#ready.filter((each) => each.image === image && each.isUsable);
    for (const each of this.#ready) if (!kept.includes(each)) each[Symbol.dispose]();
    this.#ready = kept;
  }

  /** Gives them all up. */
  clear(): void {
    this.#generation += 1;
    for (const each of this.#ready.splice(0)) each[Symbol.dispose]();
  }

  /** Gives them up and waits until their sandboxes are gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    const gone = this.#ready.map(({ sandbox }) => sandbox.gone);
    this.clear();
    await Promise.all(gone);
  }
}
