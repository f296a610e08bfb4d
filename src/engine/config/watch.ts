/** Tells when the content of a configuration file has changed. */
import { watch } from "chokidar";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";

export interface WatchOptions {
  /** Editors write in several steps; so long after the last one the file is looked at. */
  readonly debounceMs?: number;
  /** Told when watching itself fails; the watch goes on. */
  readonly onError?: (error: unknown) => void;
}

/** Hash of the content; `null` while the file is not there or cannot be read. */
async function contentHash(file: string): Promise<string | null> {
  try {
    return createHash("sha256")
      .update(await readFile(file))
      .digest("hex");
  } catch {
    return null; // Between the unlink and the rename of an editor; the next event looks again.
  }
}

/**
 * Watches `file` until disposed. The folder is watched rather than the file: editors save by renaming a new file over the
 * old one, and a watch on the file would stay with the old inode. `onChange` is called only for a new content.
 */
export async function watchConfig(
  file: string,
  onChange: () => void,
  options: WatchOptions = {},
): Promise<AsyncDisposable> {
  const path = resolve(file);
  const folder = dirname(path);
  let known = await contentHash(path);
  let timer: NodeJS.Timeout | null = null;
  let disposed = false;

  const look = async (): Promise<void> => {
    const hash = await contentHash(path);
    if (disposed || hash === null || hash === known) return;
    known = hash;
    onChange();
  };
  const schedule = (): void => {
    if (disposed) return;
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(() => {
      timer = null;
      look().catch((error: unknown) => options.onError?.(error));
    }, options.debounceMs ?? 150);
  };

  // Only the folder and the file: the folder may hold thousands of others.
  const watcher = watch(folder, {
    depth: 0,
    ignoreInitial: true,
    ignored: (other) => resolve(other) !== folder && resolve(other) !== path,
  });
  watcher.on("all", schedule);
  watcher.on("error", (error) => options.onError?.(error));
  const ready = new Promise<void>((done) => void watcher.once("ready", done));
  await Promise.race([ready, new Promise<void>((done) => void setTimeout(done, 2000).unref())]);
  // What was written between the first hash and the start of the watch has no event.
  schedule();

  return {
    async [Symbol.asyncDispose](): Promise<void> {
      disposed = true;
      if (timer !== null) clearTimeout(timer);
      await watcher.close();
    },
  };
}

/** The watch on the file in force, which a deploy may replace by another one. */
export class ConfigFollower implements AsyncDisposable {
  readonly #onChange: () => void;
  #file: string | null = null;
  /** One change of file after another. */
  #watch: Promise<AsyncDisposable | null> = Promise.resolve(null);

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Watches this file in place of the one before, `null` none; resolves when it does. */
  async follow(file: string | null): Promise<void> {
    if (file === this.#file) return;
    this.#file = file;
    const previous = this.#watch;
    this.#watch = this.#replace(previous, file);
    await this.#watch;
  }

  async #replace(
    previous: Promise<AsyncDisposable | null>,
    file: string | null,
  ): Promise<AsyncDisposable | null> {
    await (await previous)?.[Symbol.asyncDispose]();
    return file === null ? null : await watchConfig(file, this.#onChange);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.follow(null);
  }
}
