// @ts-check
import { systemCandidate, systemInstall, systemUpdate } from "./apt.mjs";
import { EXIT_MACHINE, SetupError } from "./errors.mjs";
import { missingNeeds } from "./needs.mjs";
import { machine } from "./platform.mjs";

/** @typedef {import("./step.mjs").Step} Step */

/** @param {readonly string[]} packages */
export function installCommand(packages) {
  return `apt-get install -y --no-install-recommends ${packages.join(" ")}`;
}

/**
 * Why the set-up cannot install them itself, or null when it can.
 * @param {import("./platform.mjs").Machine} m
 * @param {readonly string[]} packages names on Debian
 * @returns {SetupError | null}
 */
export function cannotInstall(m, packages) {
  const what = `missing: ${packages.join(", ")}`;
  if (!m.apt) {
    return new SetupError({
      what,
      why: `this is ${m.distribution}, and only Debian's packages are installed by the set-up`,
      fix: `install what corresponds to these Debian packages, then run it again: ${packages.join(" ")}`,
      exitCode: EXIT_MACHINE,
    });
  }
  if (!m.root) {
    return new SetupError({
      what,
      why: "installing packages needs root",
      fix: `as root: ${installCommand(packages)}`,
      exitCode: EXIT_MACHINE,
    });
  }
  return null;
}

/**
 * Installs packages through the system's apt; its lists are fetched only when they do not know a package, or when the
 * files they name are gone from the mirror.
 * @param {readonly string[]} packages
 * @param {(text: string) => void} doing
 */
export async function installPackages(packages, doing) {
  const problem = cannotInstall(machine(), packages);
  if (problem) throw problem;
  let fresh = false;
  let updateOutput = "";
  const update = async () => {
    doing("fetching apt's package lists");
    // Its exit code does not decide: a source that is not needed here may be out of reach.
    const result = await systemUpdate(doing);
    updateOutput = result.code !== 0 || result.stderr.includes("Failed to fetch") ? result.stderr : "";
    fresh = true;
  };
  const unknown = async () => {
    const candidates = await Promise.all(packages.map((name) => systemCandidate(name)));
    return packages.filter((_, index) => candidates[index] === null);
  };
  if ((await unknown()).length > 0) await update();
  const still = await unknown();
  if (still.length > 0) {
    throw new SetupError({
      what: `apt knows no package ${still.join(", ")}`,
      why:
        updateOutput === ""
          ? "no configured source has it"
          : "apt-get update could not fetch every list (network, or a source)",
      fix: `check /etc/apt/sources.list*, then: apt-get update && ${installCommand(packages)}`,
      output: updateOutput,
      exitCode: EXIT_MACHINE,
    });
  }
  doing(`installing ${packages.join(" ")}`);
  let result = await systemInstall(packages, doing);
  if (result.code !== 0 && !fresh) {
    await update();
    doing(`installing ${packages.join(" ")}`);
    result = await systemInstall(packages, doing);
  }
  if (result.code !== 0) {
    throw new SetupError({
      what: `apt-get could not install ${packages.join(", ")}`,
      why: result.stderr.split("\n").find((line) => line.startsWith("E:")) ?? `exit code ${result.code}`,
      fix: `put that right, then: ${installCommand(packages)}`,
      output: result.stdout + result.stderr,
      exitCode: EXIT_MACHINE,
    });
  }
}

/** @type {Step} */
export const debianPackages = {
  name: "debian-packages",
  title: "Debian packages",
  after: ["platform"],
  check(context) {
    const missing = missingNeeds(context);
    if (missing.length === 0) return { ok: true };
    return { ok: false, why: `missing ${missing.map((need) => need.package).join(" ")}` };
  },
  async run(context, doing) {
    await installPackages(
      missingNeeds(context).map((need) => need.package),
      doing,
    );
    const missing = missingNeeds(context);
    if (missing.length > 0) {
      throw new SetupError({
        what: `still missing after the installation: ${missing.map((need) => need.what).join(", ")}`,
        why: `the packages are installed (${missing.map((need) => need.package).join(", ")}), the files are not there`,
        fix: `apt-get install --reinstall ${missing.map((need) => need.package).join(" ")}`,
        exitCode: EXIT_MACHINE,
      });
    }
  },
};
