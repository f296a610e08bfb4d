/** Work on images that must not hold up the reactor: checksums, and removing what is no longer needed. */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { toAetherError } from "../../protocol/errors.ts";
import type { AetherError } from "../../protocol/errors.ts";
import { writeManifest } from "./image.ts";
import type { Image } from "./image.ts";
import { sealFiles } from "./manifest.ts";

export class Janitor {
  readonly #onError: (error: AetherError) => void;
  /** One piece of work after another, in the order in which the reactor asked. */
  #work: Promise<void> = Promise.resolve();

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

  /** Completes an image's manifest with its checksums; an image already removed needs none. */
  seal(image: Image): void {
    this.#then(`${image.directory} could not be sealed`, async () => {
      if (!existsSync(image.directory)) return;
      const files = await sealFiles(image.directory);
      if (existsSync(image.directory)) writeManifest(image.directory, { ...image.manifest, files });
    });
  }

  /** At the engine's end: waits for the work, and removes the snapshot folder unless images are kept. */
  async finish(keep: readonly Image[], root: string): Promise<void> {
    await this.#work;
    if (keep.length === 0) await rm(root, { recursive: true, force: true });
  }
}
