/** What is loaded before the first frame. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

test("the console loads few files: a library taken whole would cost half of its start", () => {
  const program = `
    import { registerHooks } from "node:module";
    let files = 0;
    registerHooks({ load: (url, context, next) => ((files += 1), next(url, context)) });
    const { loadConsole } = await import("./dist/ui/load-console.js");
    const { runConsole } = await loadConsole();
    console.log(JSON.stringify({ files, console: typeof runConsole, fetch: typeof globalThis.fetch }));`;
  const out = execFileSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" });
  const { files, ...rest } = JSON.parse(out) as { files: number; console: string; fetch: string };
  expect(rest).toEqual({ console: "function", fetch: "function" });
  expect(files).toBeLessThan(320);
});
