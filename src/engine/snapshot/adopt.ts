/** Images that an earlier engine of this name left behind: adopted where they fit, removed with the reason where not. */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import type { AetherConfig, FunctionConfig } from "../../protocol/config.ts";
import { replicaIds } from "../lifecycle/replicas.ts";
import { wokenMark } from "./image.ts";
import type { Image } from "./image.ts";
import { manifestMismatch, manifestName, parseManifest, verifyFiles } from "./manifest.ts";

export interface AdoptResult {
  readonly images: Readonly<Record<string, Image>>;
  /** What was refused and why, for the log. */
  readonly refused: readonly { readonly functionId: string; readonly why: string }[];
}

/** Looks through the snapshot folder; everything that is not adopted is removed. */
export async function adoptImages(
  root: string,
  config: AetherConfig,
  machine: { readonly criuVersion: string; readonly engineVersion: string },
): Promise<AdoptResult> {
  const images: Record<string, Image> = {};
  const refused: { functionId: string; why: string }[] = [];
  const declared = new Map(
    config.functions.flatMap((entry) => replicaIds(entry).map((id) => [id, { ...entry, id }] as const)),
  );
  for (const functionId of existsSync(root) ? readdirSync(root) : []) {
    const folder = `${root}/${functionId}`;
    const entry = declared.get(functionId);
    if (entry === undefined) {
      rmSync(folder, { recursive: true, force: true });
      continue;
    }
    for (const name of readdirSync(folder)) {
      const directory = `${folder}/${name}`;
      if (name.startsWith(".new-")) rmSync(directory, { recursive: true, force: true });
      if (!name.startsWith("image-")) continue;
      const found =
        images[functionId] === undefined
          ? await examine(directory, entry, machine)
          : "a newer one was adopted";
      if (typeof found === "string") {
        refused.push({ functionId, why: found });
        rmSync(directory, { recursive: true, force: true });
      } else {
        images[functionId] = found;
      }
    }
  }
  return { images, refused };
}

async function examine(
  directory: string,
  config: FunctionConfig,
  machine: { readonly criuVersion: string; readonly engineVersion: string },
): Promise<Image | string> {
  if (config.start !== "snapshot") return `start is ${config.start}`;
  let text: string;
  try {
    text = readFileSync(`${directory}/${manifestName}`, "utf8");
  } catch {
    return "it has no manifest";
  }
  const manifest = parseManifest(text);
  if (manifest === null) return "its manifest cannot be read";
  if (!manifest.golden && existsSync(`${directory}/${wokenMark}`))
    return "the function ran on after it was made";
  const mismatch =
    manifestMismatch(manifest, config, machine) ?? (await verifyFiles(directory, manifest.files));
  return mismatch ?? { directory, manifest };
}
