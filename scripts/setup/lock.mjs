// @ts-check
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { SetupError } from "./errors.mjs";
import { TOOLS } from "./paths.mjs";

const LOCK = `${TOOLS}/setup.lock`;

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/**
 * One set-up at a time per checkout: `npm start` and `npm test` may be called at once.
 * @param {(text: string) => void} doing
 * @param {{ path?: string, limitMs?: number }} [options]
 * @returns {Promise<() => void>} what gives it back
 */
export async function takeLock(doing, { path = LOCK, limitMs = 1_800_000 } = {}) {
  const deadline = Date.now() + limitMs;
  for (;;) {
    try {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, String(process.pid), { flag: "wx" });
      return () => rmSync(path, { force: true });
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : null;
      // Who cannot write here changes nothing here either; the step itself then says what it needs.
      if (code === "EACCES" || code === "EPERM" || code === "EROFS") return () => {};
      if (code !== "EEXIST") throw error;
    }
    const holder = holderOf(path);
    if (holder !== null && !isAlive(holder)) {
      rmSync(path, { force: true });
      continue;
    }
    if (Date.now() > deadline) {
      throw new SetupError({
        what: "another set-up of this checkout does not end",
        why: `process ${holder ?? "?"} holds ${path}`,
        fix: `look at that process; when it is gone: rm ${path}`,
      });
    }
    doing(`waiting for another set-up (process ${holder ?? "?"})`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** @param {string} path @returns {number | null} null while it is being written */
function holderOf(path) {
  try {
    const pid = Number(readFileSync(path, "utf8"));
    return Number.isInteger(pid) && pid > 0 ? pid : null;
  } catch {
    return null;
  }
}
