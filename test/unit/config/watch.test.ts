import { mkdtemp, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { watchConfig } from "../../../src/engine/config/watch.ts";

let dir = "";
let file = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "aether-watch-"));
  file = join(dir, "aether.yaml");
  await writeFile(file, "one");
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** Longer than the debounce by far: nothing comes any more. */
const quiet = (): Promise<void> => new Promise((done) => void setTimeout(done, 400));
const times = (onChange: ReturnType<typeof vi.fn>, count: number): Promise<void> =>
  vi.waitFor(() => expect(onChange).toHaveBeenCalledTimes(count), { timeout: 5000 });

describe("watchConfig", () => {
  it("tells once of a burst of writes, and not of the same content", async () => {
    const onChange = vi.fn();
    await using _ = await watchConfig(file, onChange);
    for (const text of ["t", "tw", "two"]) await writeFile(file, text);
    await times(onChange, 1);
    await writeFile(file, "two");
    await writeFile(join(dir, "other.yaml"), "three");
    await quiet();
    expect(onChange).toHaveBeenCalledTimes(1);
  });

  it("follows a save by rename, again and again", async () => {
    const onChange = vi.fn();
    await using _ = await watchConfig(file, onChange);
    for (const [index, text] of ["two", "three", "four"].entries()) {
      await writeFile(`${file}.new`, text);
      await rename(`${file}.new`, file);
      await times(onChange, index + 1);
    }
    expect(onChange).toHaveBeenCalledTimes(3);
  });

  it("bears that the file vanishes for a moment", async () => {
    const onChange = vi.fn();
    await using _ = await watchConfig(file, onChange);
    await unlink(file);
    await quiet();
    expect(onChange).not.toHaveBeenCalled();
    await writeFile(file, "one");
    await quiet();
    expect(onChange).not.toHaveBeenCalled();
    await writeFile(file, "two");
    await times(onChange, 1);
  });

  it("notices a link that is pointed elsewhere", async () => {
    const link = join(dir, "link.yaml");
    await symlink("aether.yaml", link);
    const onChange = vi.fn();
    await using _ = await watchConfig(link, onChange);
    await writeFile(join(dir, "other.yaml"), "two");
    await symlink("other.yaml", `${link}.new`);
    await rename(`${link}.new`, link);
    await times(onChange, 1);
    expect(onChange).toHaveBeenCalledTimes(1);
  });

  it("is silent after it was disposed", async () => {
    const onChange = vi.fn();
    {
      await using _ = await watchConfig(file, onChange);
      await writeFile(file, "two");
    }
    await quiet();
    expect(onChange).not.toHaveBeenCalled();
  });
});
