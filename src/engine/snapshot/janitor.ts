/** Work on images that must not hold up the reactor: checksums, and removing what is no longer needed. */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { toAetherError } from "../../protocol/errors.ts";
import type { AetherError } from "../../protocol/errors.ts";
import { writeManifest } from "./image.ts";
import type { Image } from "./image.ts";
import { sealFiles } from "./manifest.ts";

/** For the first image of a function, which was tried: it may stay for long. */
const firstSealDelayMs = 2_000;
/** That of a later sleep is replaced by the next one: hashing it pays only when that is not soon. */
const sealDelayMs = 20_000;

async function sealNow(image: Image): Promise<void> {
  if (!existsSync(image.directory)) return;
  const files = await sealFiles(image.directory);
  if (existsSync(image.directory)) writeManifest(image.directory, { ...image.manifest, files });
}

export class Janitor {
  readonly #onError: (error: AetherError) => void;
  /** One piece of work after another, in the order in which the reactor asked. */
  #work: Promise<void> = Promise.resolve();
  readonly #waiting = new Map<Image, NodeJS.Timeout>();

  constructor(onError: (error: AetherError) => void) {
    this.#onError = onError;
  }

  #then(what: string, work: () => Promise<void>): void {
    this.#work = this.#work.then(work).catch((error: unknown) => this.#onError(toAetherError(error, what)));
  }

  /** Removes a folder and all in it. */
  discard(path: string): void {
    this.#then(`${path} could not be removed`, () => rm(path, { recursive: true, force: true }));
  }

  /**
   * Completes an image's manifest with its checksums, after a quiet moment: a client may come just after the sleep, and
   * hashing would compete with its wake. An image that is gone by then needs none.
   */
  seal(image: Image): void {
    const delayMs = image.manifest.trialMs === null ? sealDelayMs : firstSealDelayMs;
    const timer = setTimeout(() => {
      this.#waiting.delete(image);
      this.#then(`${image.directory} could not be sealed`, () => sealNow(image));
    }, delayMs);
    this.#waiting.set(image, timer);
  }

  /** At the engine's end: waits for the work, and removes the snapshot folder unless images are kept. */
  async finish(keep: readonly Image[], root: string): Promise<void> {
    for (const [image, timer] of this.#waiting) {
      clearTimeout(timer);
      if (keep.some(({ directory }) => directory === image.directory)) await sealNow(image);
    }
    await this.#work;
    if (keep.length === 0) await rm(root, { recursive: true, force: true });
  }
}
