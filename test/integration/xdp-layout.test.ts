/** src/engine/dataplane/layout.ts against the compiled object's own description of its structures (BTF). */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import {
  abiVersion,
  portCounterSlots,
  ringCount,
  ringSlots,
  structs,
} from "../../src/engine/dataplane/layout.ts";
import { unparsedReasons } from "../../src/protocol/unparsed-reasons.ts";

const objectPath = fileURLToPath(new URL("../../build/bpf/xdp.bpf.o", import.meta.url));
const headerPath = fileURLToPath(new URL("../../bpf/xdp.h", import.meta.url));
const missing = existsSync(objectPath) ? null : "build/bpf is not built: npm run setup";
const skipped = missing === null ? "" : ` (skipped: ${missing})`;

interface BtfType {
  readonly kind: string;
  readonly name: string;
  readonly size?: number;
  readonly members?: readonly { readonly name: string; readonly bits_offset: number }[];
  readonly values?: readonly { readonly name: string; readonly val: number }[];
}

function types(): readonly BtfType[] {
  const { stdout, stderr } = spawnSync("bpftool", ["-j", "btf", "dump", "file", objectPath], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  return (JSON.parse(stdout) as { types: BtfType[] }).types;
}

it.skipIf(missing !== null)(`structures have the same sizes and offsets on both sides${skipped}`, () => {
  const all = types();
  for (const [name, { size, fields }] of Object.entries(structs)) {
    const found = all.find((type) => type.kind === "STRUCT" && type.name === name);
    expect(found, name).toBeDefined();
    expect(found?.size, name).toBe(size);
    const offsets = new Map(found?.members?.map((member) => [member.name, member.bits_offset / 8]));
    for (const [field, offset] of Object.entries(fields))
      expect(offsets.get(field), `${name}.${field}`).toBe(offset);
  }
});

it.skipIf(missing !== null)(`reasons have the same names and numbers on both sides${skipped}`, () => {
  const found = types().find((type) => type.kind === "ENUM" && type.name === "unparsed");
  expect(found?.values?.map(({ name, val }) => [name, val]).slice(0, -2)).toEqual(
    unparsedReasons.map((reason, index) => [`UNPARSED_${reason.toUpperCase()}`, index]),
  );
});

it("constants have the same values on both sides", () => {
  const header = readFileSync(headerPath, "utf8");
  const defined = (name: string): number => Number(new RegExp(`#define ${name} (\\d+)`).exec(header)?.[1]);
  expect(defined("XDP_ABI_VERSION")).toBe(abiVersion);
  expect(defined("PORT_COUNTERS")).toBe(portCounterSlots);
  expect(defined("RINGS")).toBe(ringCount);
  expect(defined("RING_SLOTS")).toBe(ringSlots);
});
