/** What stands beside an image: where it came from, and what it must still fit when it is adopted. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { release } from "node:os";
import { z } from "zod";
import type { FunctionConfig } from "../../protocol/config.ts";

/** Changed whenever an older image could no longer be restored by this code. */
export const manifestFormat = 3;
export const manifestName = "manifest.json";

/** What tells that a file was touched or replaced, from stat(2). Times in nanoseconds, as text: they exceed 2^53. */
const fileStampSchema = z.strictObject({
  path: z.string(),
  inode: z.string(),
  sizeBytes: z.string(),
  modifiedNs: z.string(),
  changedNs: z.string(),
});
export type FileStamp = z.infer<typeof fileStampSchema>;

const schema = z.strictObject({
  format: z.literal(manifestFormat),
  functionId: z.string(),
  commandHash: z.string(),
  criuVersion: z.string(),
  kernel: z.string(),
  engineVersion: z.string(),
  createdAtMs: z.number(),
  golden: z.boolean(),
  /** How its memory comes back, and why so, in words. */
  image: z.enum(["stock", "mapped"]),
  imageReason: z.string(),
  /** Length of its heap file; 0: it has none. */
  heapBytes: z.int().min(0),
  /** Files that its processes have mapped, as they were: a restore from changed ones would mix two versions of a program. */
  programs: z.array(fileStampSchema),
  /** Whether these are all; if not, CRIU has to compare build ids. */
  allStamped: z.boolean(),
  rootPid: z.int().positive(),
  tcp: z.enum(["refuse", "close", "keep"]),
  /** The pipe inodes the image knows its output by. */
  stdout: z.string(),
  stderr: z.string(),
  /** Its rings; `null` where it has none. Numbers of 64 bits as text. */
  ring: z
    .strictObject({
      keys: z.strictObject({
        ctl: z.string(),
        req: z.string(),
        res: z.string(),
        in: z.string(),
        out: z.string(),
      }),
      reqPosition: z.int().min(0),
      resPosition: z.int().min(0),
      generation: z.string().regex(/^\d{1,19}$/),
      sequence: z.string().regex(/^\d{1,19}$/),
      registration: z.strictObject({ attached: z.boolean(), hooks: z.boolean(), events: z.boolean() }),
    })
    .nullable(),
  /** Where it listened, so that an adopting engine can open the ports in its place. Families as in sys/socket.h. */
  listens: z.array(
    z.strictObject({
      family: z.union([z.literal(2), z.literal(10)]),
      address: z.array(z.int().min(0).max(255)),
      port: z.int().min(1).max(65_535),
      v6Only: z.boolean(),
    }),
  ),
  sizeBytes: z.number(),
  dumpMs: z.number(),
  trialMs: z.number().nullable(),
  /** Files of the image with size and SHA-256; empty until it is sealed. */
  files: z.array(z.strictObject({ name: z.string(), sizeBytes: z.number(), sha256: z.string() })),
});

export type Manifest = z.infer<typeof schema>;

/** Reads a manifest's text; `null` when it is none of this format. */
export function parseManifest(text: string): Manifest | null {
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** What of a function's declaration the image depends on, as one hash. Values of env count: they are in its memory. */
export function commandHash(config: FunctionConfig): string {
  const essence = [
    config.program,
    config.command,
    config.cwd,
    config.triggerPort,
    Object.entries(config.env).toSorted(([left], [right]) => (left < right ? -1 : 1)),
    config.user?.uid ?? 0,
    config.privileged,
    config.sleep,
    config.ring,
    config.handler,
  ];
  return createHash("sha256").update(JSON.stringify(essence)).digest("hex");
}

/** Why an image cannot be adopted; `null` when it can. */
export function manifestMismatch(
  manifest: Manifest,
  config: FunctionConfig,
  machine: { readonly criuVersion: string; readonly engineVersion: string },
): string | null {
  if (manifest.functionId !== config.id) return `it belongs to the function ${manifest.functionId}`;
  if (manifest.commandHash !== commandHash(config)) return "the function's declaration has changed";
  if (manifest.criuVersion !== machine.criuVersion) return `it was made by CRIU ${manifest.criuVersion}`;
  if (manifest.kernel !== release()) return `it was made under Linux ${manifest.kernel}`;
  if (manifest.engineVersion !== machine.engineVersion)
    return `it was made by Aether ${manifest.engineVersion}`;
  if (config.image !== "auto" && config.image !== manifest.image)
    return `it is ${manifest.image}, and image: ${config.image} is declared`;
  if (manifest.files.length === 0) return "it was not finished";
  return null;
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** The image's files with sizes and checksums; runs in the engine's thread, never on the wake path. */
export async function sealFiles(directory: string): Promise<Manifest["files"]> {
  const files: Manifest["files"] = [];
  for (const name of (await readdir(directory)).toSorted()) {
    if (name === manifestName || name.endsWith(".log")) continue;
    const path = `${directory}/${name}`;
    files.push({ name, sizeBytes: (await stat(path)).size, sha256: await sha256(path) });
  }
  return files;
}

/** The first file that differs from the manifest, in words; `null` when all are as they were. */
export async function verifyFiles(directory: string, files: Manifest["files"]): Promise<string | null> {
  for (const file of files) {
    const path = `${directory}/${file.name}`;
    try {
      if ((await stat(path)).size !== file.sizeBytes) return `${file.name} has another size`;
      if ((await sha256(path)) !== file.sha256) return `${file.name} has another checksum`;
    } catch {
      return `${file.name} is missing`;
    }
  }
  return null;
}
