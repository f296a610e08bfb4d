/** What libcriu says of itself and of this kernel, for `aether doctor`. */
import { existsSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { askLibCriu } from "../../ffi/libcriu.ts";
import type { LibCriuAnswer } from "../../ffi/libcriu.ts";
import { AetherError } from "../../protocol/errors.ts";
import type { CriuTools } from "../sandbox/context.ts";

/** CRIU leaves it behind where /run is no tmpfs (kerndat.c unlinks another name), and trips over it ever after. */
const cacheDraft = "/run/criu.kdat.tmp";

export type { LibCriuAnswer } from "../../ffi/libcriu.ts";

/**
 * Asks the libcriu that belongs to a CRIU: beside the package's own, else the machine's.
 * @throws AetherError AE_CRIU_UNAVAILABLE
 */
export function libCriuAnswer(criu: CriuTools): LibCriuAnswer {
  const own = `${dirname(dirname(criu.binary))}/lib/libcriu.so.2`;
  const hadDraft = existsSync(cacheDraft);
  const answer = askLibCriu(existsSync(own) ? own : "libcriu.so.2", criu.binary);
  if (!hadDraft) rmSync(cacheDraft, { force: true });
  if (answer.check !== 0) {
    throw new AetherError("AE_CRIU_UNAVAILABLE", `CRIU ${answer.version} does not pass its own check`, {
      why: `criu_check returned ${answer.check}`,
      hint: `Run \`${criu.binary} check\` as root: it says what this kernel lacks.`,
    });
  }
  return answer;
}
