/** The verifier's own words: one buffer per program, since the kernel fills only that of the program it refuses. */
import koffi from "koffi";
import { AetherError } from "../protocol/errors.ts";
import { libbpf } from "./bpf-library.ts";
import type { Pointer } from "./bpf-library.ts";
import { errno, errnoName } from "./libc.ts";

/** Before Linux 6.4 a log that does not fit fails the load with ENOSPC. Untouched pages cost nothing. */
const bufferBytes = 1024 * 1024;
const shownLines = 15;
const summary = /^processed \d+ insns/;

/** Native memory, not a Buffer of the heap: the kernel writes to it in a later call. Dispose after the load. */
export class VerifierLogs implements Disposable {
  readonly #buffers: bigint[] = [];

  /** Gives every program of the object a buffer; before the load. */
  constructor(object: Pointer) {
    const { nextProgram, setLogBuffer } = libbpf();
    for (let program = nextProgram(object, null) as Pointer; program !== null;) {
      const buffer = koffi.alloc("uint8_t", bufferBytes) as bigint; // zeroed
      this.#buffers.push(buffer);
      setLogBuffer(program, buffer, bufferBytes);
      program = nextProgram(object, program) as Pointer;
    }
  }

  /** The last lines of what was logged; none when the verifier was content or not reached. */
  lastLines(): string[] {
    const text = this.#buffers.map((buffer) => koffi.decode.string(buffer)).join("\n");
    return text
      .split("\n")
      .filter((line) => line.trim() !== "")
      .slice(-shownLines);
  }

  [Symbol.dispose](): void {
    for (const buffer of this.#buffers.splice(0)) koffi.free(buffer);
  }
}

/** Why an object was not loaded, as the error the user sees. `error` is an errno. */
export function loadError(name: string, error: number, log: readonly string[]): AetherError {
  const reason = errnoName(error);
  const data = { object: name, errno: reason, verifier: log };
  if (error === errno.EPERM) {
    return new AetherError("AE_BPF_LOAD_FAILED", `the BPF object ${name} was not loaded`, {
      why: reason,
      hint: "Run as root: CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are needed.",
      data,
    });
  }
  if (log.length === 0) {
    return new AetherError("AE_BPF_LOAD_FAILED", `the BPF object ${name} was not loaded`, {
      why: reason,
      hint: "`aether doctor` says what the kernel lacks; Linux 5.14 or newer is needed.",
      data,
    });
  }
  return new AetherError(
    "AE_BPF_VERIFICATION_FAILED",
    `the kernel refused a program of the BPF object ${name}`,
    {
      why: log.findLast((line) => !summary.test(line)) ?? reason,
      hint: "This kernel lacks something the program uses: Linux 5.14 or newer is needed. The verifier's last lines are in the data.",
      data,
    },
  );
}
