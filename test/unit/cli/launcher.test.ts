/** src/cli.ts on a Node that is too old: it finds the project's own, and passes everything on. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, onTestFinished, test } from "vitest";

const source = await readFile(new URL("../../../src/cli.ts", import.meta.url), "utf8");

/** The launcher as in an installed package, convinced that every Node is too old; `node` stands in for the project's. */
async function install(node: string | null, nodeAt: string): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "aether-launcher-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const cli = join(root, "lib/node_modules/aether-functions/dist/cli.js");
  await mkdir(dirname(cli), { recursive: true });
  const old = source.replace("const neededMajor = 24;", "const neededMajor = 99;");
  await writeFile(cli, stripTypeScriptTypes(old).replace("./main.ts", "./main.js"));
  await writeFile(join(root, "lib/node_modules/aether-functions/package.json"), '{"type":"module"}');
  if (node !== null) {
    const path = join(root, nodeAt, `node-linux-${process.arch}/bin/node`);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `#!/bin/sh\n${node}\n`);
    await chmod(path, 0o755);
  }
  return cli;
}

const own = "lib/node_modules/aether-functions/node_modules";
const hoisted = "lib/node_modules";

function launch(cli: string, args: readonly string[], env: Record<string, string> = {}) {
  return spawnSync(process.execPath, [cli, ...args], {
    encoding: "utf8",
    env: { PATH: process.env["PATH"], ...env },
  });
}

describe("launcher", () => {
  test.for([own, hoisted])(
    "runs the Node of %s with the same arguments and passes its exit code on",
    async (at, { expect }) => {
      const cli = await install('shift; printf "%s|" "$@"; exit 7', at);
      expect(launch(cli, ["ps", "a b", "--json"])).toMatchObject({ status: 7, stdout: "ps|a b|--json|" });
    },
  );

  test("a death by signal is 128+n", async ({ expect }) => {
    expect(launch(await install("kill -9 $$", own), []).status).toBe(137);
  });

  test("without a Node of its own it says what to do, with 3", async ({ expect }) => {
    const { status, stderr } = launch(await install(null, own), []);
    expect(status).toBe(3);
    expect(stderr).toContain(`needs Node 99, this is Node ${process.versions.node}`);
    expect(stderr).toContain("npm install");
  });

  test("a Node that cannot run is told too", async ({ expect }) => {
    const cli = await install("", own);
    const node = join(dirname(cli), `../node_modules/node-linux-${process.arch}/bin/node`);
    await writeFile(node, "#!/no/such/program\n");
    expect(launch(cli, [])).toMatchObject({
      status: 3,
      stderr: expect.stringContaining("cannot run") as string,
    });
  });

  test("production unless told otherwise; NO_COLOR becomes FORCE_COLOR=0", async ({ expect }) => {
    const cli = await install('echo "$NODE_ENV $FORCE_COLOR $NO_COLOR"', own);
    expect(launch(cli, []).stdout.trim()).toBe("production");
    expect(launch(cli, [], { NODE_ENV: "test", NO_COLOR: "1" }).stdout.trim()).toBe("test 0");
    expect(launch(cli, ["--no-color"]).stdout.trim()).toBe("production 0");
  });

  test("signals reach the child, which ends in its own way", async ({ expect }) => {
    const cli = await install('trap "echo got it; exit 9" TERM; echo up; while :; do sleep 0.05; done', own);
    const child = spawn(process.execPath, [cli], { stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    await expect.poll(() => out).toContain("up");
    child.kill("SIGTERM");
    const [code] = (await once(child, "close")) as [number];
    expect({ code, out }).toEqual({ code: 9, out: "up\ngot it\n" });
  });
});
