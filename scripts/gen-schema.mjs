// Writes schema/aether.schema.json and docs/configuration.md from the schema of aether.yaml, and
// schema/keys.schema.json and docs/keys.md from the console's key table.
// Needs a Node that runs TypeScript as it is (>= 22.18): node_modules/.bin/node scripts/gen-schema.mjs [--check]
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { keysJsonSchema } from "../src/ui/keys/check-overrides.ts";
import { keysReference } from "../src/ui/keys/reference.ts";
import { configurationReference, schemaFile } from "../src/engine/config/reference.ts";

const outputs = [
  ["schema/aether.schema.json", schemaFile()],
  ["docs/configuration.md", configurationReference()],
  ["schema/keys.schema.json", `${JSON.stringify(keysJsonSchema(), null, 2)}\n`],
  ["docs/keys.md", keysReference()],
];

let drift = 0;
for (const [name, text] of outputs) {
  const path = fileURLToPath(new URL(`../${name}`, import.meta.url));
  if (!process.argv.includes("--check")) {
    writeFileSync(path, text);
  } else if (readFileSync(path, "utf8") !== text) {
    console.error(`${name} differs from the schema; run scripts/gen-schema.mjs`);
    drift += 1;
  }
}
process.exitCode = drift === 0 ? 0 : 1;
