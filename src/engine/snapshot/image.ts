/** A snapshot on disk: its folder, its manifest, and the names under which the two are found. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import type { ListenAddress } from "../../ffi/socket.ts";
import { manifestName } from "./manifest.ts";
import type { Manifest } from "./manifest.ts";
import { heapFileName } from "./mapped/map-image.ts";

/** A complete image. The folder is never changed after it got its name. */
export interface Image {
  readonly directory: string;
  readonly manifest: Manifest;
}

/** Host path of its heap file; `null` where it has none. */
export function heapFileOf(image: Image): string | null {
  return image.manifest.heapBytes === 0 ? null : `${image.directory}/${heapFileName}`;
}

/** Where the image's process listened. */
export function listensOf(manifest: Manifest): ListenAddress[] {
  return manifest.listens.map((entry) => ({ ...entry, address: Uint8Array.from(entry.address) }));
}

const imagePattern = /^image-(\d+)$/;

/** The folder of one function's snapshots. */
export class ImageFolder {
  readonly #root: string;
  #next: number;

  /** @param root made with mode 0700 where it is missing */
  constructor(root: string) {
    this.#root = root;
    mkdirSync(root, { recursive: true, mode: 0o700 });
    this.#next = 1 + Math.max(0, ...this.#numbers());
  }

  #numbers(): number[] {
    return readdirSync(this.#root).flatMap((name) => {
      const number = imagePattern.exec(name)?.[1];
      return number === undefined ? [] : [Number(number)];
    });
  }

  /** An empty folder under a temporary name, 0700: CRIU writes its files 0644. */
  begin(): string {
    // A name is used once: the removal of a failed image may still be on its way.
    const path = `${this.#root}/.new-${this.#next++}-${randomBytes(4).toString("hex")}`;
    mkdirSync(path, { mode: 0o700 });
    return path;
  }

  /** Writes the manifest and gives the folder its name. */
  finish(path: string, manifest: Manifest): Image {
    writeManifest(path, manifest);
    let directory = `${this.#root}/image-${this.#next++}`;
    // A version that is tried beside the running one numbers its images in the same folder.
    while (existsSync(directory)) directory = `${this.#root}/image-${this.#next++}`;
    renameSync(path, directory);
    return { directory, manifest };
  }
}

/** Replaces the manifest of an image folder, whole or not at all. */
export function writeManifest(directory: string, manifest: Manifest): void {
  const temporary = `${directory}/.${manifestName}`;
  writeFileSync(temporary, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, `${directory}/${manifestName}`);
}

/** Beside a `keep` image that was woken: what ran on from it is newer than the image, which is not adopted then. */
export const wokenMark = "woken";

/** Leaves the mark. */
export function markWoken(image: Image): void {
  writeFileSync(`${image.directory}/${wokenMark}`, "", { mode: 0o600 });
}

/** Bytes of an image folder. */
export function folderBytes(directory: string): number {
  let sum = 0;
  for (const name of readdirSync(directory)) sum += statSync(`${directory}/${name}`).blocks * 512;
  return sum;
}
