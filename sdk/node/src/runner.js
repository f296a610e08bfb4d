/** `node runner.js app.handle`: serves one function of the working folder (`handler:` in aether.yaml). */
import { existsSync } from "node:fs";
import * as moduleApi from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { serve } from "./index.js";

const here = new URL("./index.js", import.meta.url).href;

/** `import "aether-sdk"` works in the function's folder without an installation. Node 20 has no such hook: install it there. */
const { registerHooks } = /** @type {any} */ (moduleApi);
if (registerHooks !== undefined)
  registerHooks({
    /**
     * @param {string} specifier
     * @param {unknown} context
     * @param {(specifier: string, context: unknown) => unknown} next
     */
    resolve: (specifier, context, next) =>
      specifier === "aether-sdk" ? { url: here, shortCircuit: true } : next(specifier, context),
  });

/** @param {string} text */
function refuse(text) {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

/** @param {string} entry */
async function load(entry) {
  const dot = entry.lastIndexOf(".");
  const [file, name] = [entry.slice(0, dot), entry.slice(dot + 1)];
  if (dot < 1 || name === "") refuse(`entry "${entry}" is none: write module.function, such as app.handle`);
  const path = ["mjs", "js", "cjs"].map((end) => resolve(`${file}.${end}`)).find((each) => existsSync(each));
  if (path === undefined) return refuse(`there is no ${file}.mjs, ${file}.js or ${file}.cjs in ${process.cwd()}`);
  const module = await import(pathToFileURL(path).href);
  const handler = module[name] ?? module.default?.[name];
  if (typeof handler !== "function") refuse(`${path} exports no function ${name}`);
  return handler;
}

const [entry] = process.argv.slice(2);
if (entry === undefined) refuse("usage: node runner.js module.function");
else {
  await serve(await load(entry));
  process.exit(0);
}
