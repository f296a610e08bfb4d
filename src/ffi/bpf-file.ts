/** Compiled BPF objects of ours: their bytes are loaded only when they are those that set-up built. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { AetherError } from "../protocol/errors.ts";
import type { BpfSource } from "./libbpf.ts";

/**
 * Reads an object and compares it with the checksum beside it (`<path>.sha256`, in sha256sum's format).
 * @throws AetherError AE_BPF_LOAD_FAILED when one of the files is missing or they do not belong together
 */
export function readBpfObject(path: string): BpfSource {
  const name = basename(path);
  const bytes = read(path, name);
  const expected = /^[0-9a-f]{64}/.exec(read(`${path}.sha256`, name).toString("latin1"))?.[0];
  const actual = createHash("sha256").update(bytes).digest("hex");
  if (actual === expected) return { name, bytes };
  throw new AetherError("AE_BPF_LOAD_FAILED", `the BPF object ${name} is not the one that set-up built`, {
    why: `its SHA-256 is ${actual}, not ${expected ?? "a checksum that could be read"}`,
    hint: "Run `npm run setup` to build it again.",
    data: { object: name, expected: expected ?? null, actual },
  });
}

function read(path: string, name: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new AetherError("AE_BPF_LOAD_FAILED", `the BPF object ${name} cannot be read`, {
      why: error instanceof Error ? error.message : String(error),
      hint: "Run `npm run setup`: it builds the BPF programs.",
      data: { object: name },
      cause: error,
    });
  }
}
