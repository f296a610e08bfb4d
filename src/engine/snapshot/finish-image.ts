/** What follows a dump before the image gets its name: superfluous files go, and its memory becomes mappable. */
import { rmSync } from "node:fs";
import type { FunctionConfig } from "../../protocol/config.ts";
import { stampAsSeen } from "./file-stamps.ts";
import type { Manifest } from "./manifest.ts";
import { mapImage } from "./mapped/map-image.ts";
import { lookInto, mappedPaths } from "./mapped/mapped-files.ts";
import { OpenFile } from "./mapped/open-file.ts";
import { mayMap } from "./mapped/tested-runtimes.ts";
import type { MappingVerdict } from "./mapped/tested-runtimes.ts";

/** Cgroups are ours to manage. With this file there, a restore starts a process to move the tree into its cgroups: 0.8 ms. */
const superfluous = ["cgroup.img"] as const;

export interface FinishRequest {
  readonly directory: string;
  readonly image: FunctionConfig["image"];
  /** Whether a memory limit is declared. */
  readonly limited: boolean;
  /** Host process id in whose file system the saved processes live. */
  readonly initPid: number;
  readonly heapPath: string;
  /** The heap file from which the saved processes were restored. */
  readonly formerHeap: string | null;
}

export type FinishedImage = Pick<Manifest, "image" | "imageReason" | "heapBytes" | "programs" | "allStamped">;

function verdictOf(
  request: FinishRequest,
  paths: readonly string[],
  openAsSeen: (path: string) => OpenFile,
): MappingVerdict {
  switch (request.image) {
    case "mapped":
      return { mapped: true, reason: "declared" };
    case "stock":
      return { mapped: false, reason: "declared" };
    case "auto": {
      // Pages of the heap file are the engine's: the function's limit would begin to count only what it copies.
      if (request.limited)
        return { mapped: false, reason: "memory_limit does not count mapped memory; image: mapped maps it" };
      const code = paths.filter((path) => path !== request.heapPath);
      return mayMap(code.map((path) => lookInto(path, openAsSeen)));
    }
    default:
      return request.image satisfies never;
  }
}

/** Throws the system's error (ENOSPC) or RangeError; the folder is to be given up then. */
export function finishImage(request: FinishRequest): FinishedImage {
  const { directory, heapPath, formerHeap } = request;
  const asSeen = (path: string): string => `/proc/${request.initPid}/root${path}`;
  const openAsSeen = (path: string): OpenFile => new OpenFile(asSeen(path));
  for (const name of superfluous) rmSync(`${directory}/${name}`, { force: true });
  const paths = mappedPaths(directory);
  const verdict = verdictOf(request, paths, openAsSeen);
  let heapBytes = 0;
  // Memory that is mapped already stays so: its file goes with the former image.
  if (verdict.mapped || paths.includes(heapPath)) {
    const mapAll = verdict.mapped;
    ({ heapBytes } = mapImage({ directory, heapPath, formerHeap, openAsSeen, mapAll }));
  }
  const files = paths.filter((path) => path !== heapPath);
  const programs = files.flatMap((path) => stampAsSeen(path, asSeen(path)) ?? []);
  return {
    image: verdict.mapped ? "mapped" : "stock",
    imageReason: verdict.reason,
    heapBytes,
    programs,
    allStamped: programs.length === files.length,
  };
}
