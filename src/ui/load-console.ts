/** Loads the console with less to load: what it needs not was most of the time from the command to the first frame. */
import { registerHooks } from "node:module";
import type * as Console from "./console.tsx";

/** Ink takes one function of es-toolkit, from the file that imports all of it: 415 of the 690 files of the console. */
const wholeToolkit = "es-toolkit/compat";
const oneFunction = "es-toolkit/compat/throttle";

/** That one function under the name it has in the whole. */
const renamed = (url: string): string =>
  `data:text/javascript,${encodeURIComponent(`export { default as throttle } from ${JSON.stringify(url)};`)}`;

/** The console's module; its second and later callers get the same. */
export async function loadConsole(): Promise<typeof Console> {
  const hooks = registerHooks({
    resolve: (specifier, context, next) => {
      if (specifier !== wholeToolkit) return next(specifier, context);
      const { url } = next(oneFunction, context);
      return { url: renamed(url), format: "module", shortCircuit: true };
    },
  });
  // Yoga asks whether there is a `fetch` to unpack its own code with; the question alone loads Node's HTTP client.
  const fetch = Object.getOwnPropertyDescriptor(globalThis, "fetch");
  Object.defineProperty(globalThis, "fetch", { value: undefined, configurable: true });
  try {
    return await import("./console.tsx");
  } finally {
    if (fetch !== undefined) Object.defineProperty(globalThis, "fetch", fetch);
    hooks.deregister();
  }
}
