/** Where the package keeps its compiled programs and tools, from wherever this file runs (src or dist). */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url)).replace(/\/$/, "");

export const packagePaths = {
  root,
  programs: `${root}/build/rootfs`,
  bpf: `${root}/build/bpf`,
  tools: `${root}/.tools`,
} as const;

/** Version of this package. */
export function packageVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(`${root}/package.json`, "utf8"));
  const version =
    typeof parsed === "object" && parsed !== null && "version" in parsed ? parsed.version : null;
  return typeof version === "string" ? version : "0.0.0";
}
