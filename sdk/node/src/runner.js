/** `node runner.js app.handle`: serves one function of the working folder (`handler:` in aether.yaml). */
import { existsSync } from "node:fs";
import * as moduleApi from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { serve } from "./index.js";

const here = new URL("./index.js", import.meta.url).href;

/** `import "aether-sdk"` works in the function's folder without an installation. */
const { registerHooks, register } = /** @type {any} */ (moduleApi);
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

/**
 * Node 20 has only hooks that run in a thread of their own, which would sleep and wake with the function: it gets them
 * when nothing else finds the SDK.
 * @param {string} url
 */
async function importWithSdk(url) {
  try {
    return await import(url);
  } catch (error) {
    const missing = error instanceof Error && error.message.includes("'aether-sdk'");
    if (!missing || registerHooks !== undefined) throw error;
    const source = `export const resolve = (specifier, context, next) => specifier === "aether-sdk"
      ? { url: ${JSON.stringify(here)}, shortCircuit: true } : next(specifier, context);`;
    register(`data:text/javascript,${encodeURIComponent(source)}`);
    return await import(`${url}?aether-sdk`);
  }
}

/** @param {string} entry */
async function load(entry) {
  const dot = entry.lastIndexOf(".");
  const [file, name] = [entry.slice(0, dot), entry.slice(dot + 1)];
  if (dot < 1 || name === "") refuse(`entry "${entry}" is none: write module.function, such as app.handle`);
  const path = ["mjs", "js", "cjs"].map((end) => resolve(`${file}.${end}`)).find((each) => existsSync(each));
  if (path === undefined)
    return refuse(`there is no ${file}.mjs, ${file}.js or ${file}.cjs in ${process.cwd()}`);
  const module = await importWithSdk(pathToFileURL(path).href);
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
