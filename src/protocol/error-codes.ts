/**
 * Every error Aether reports: family, variant, stable code and whose fault it is. The table is the documentation;
 * docs/errors.md is generated from it. To add an error, add a line here (see docs/contributing.md).
 */

/** `user`: the configuration, the function or the call is at fault. `system`: the machine or Aether is. */
export type ErrorKind = "user" | "system";

interface CodeInfo {
  readonly family: string;
  readonly kind: ErrorKind;
  /** When it is reported, in one line. */
  readonly doc: string;
}

const entry = (family: string, kind: ErrorKind, doc: string): CodeInfo => ({ family, kind, doc });

/** Code -> what it means. Codes never change their meaning. */
export const errorCodes = {
  // HardValidationError: aether.yaml is wrong; nothing is started, exit code 2.
  AE_CONFIG_UNREADABLE: entry("HardValidationError", "user", "The file is missing or cannot be read."),
  AE_CONFIG_SYNTAX: entry(
    "HardValidationError",
    "user",
    "The file is not YAML, or an alias expands without bound.",
  ),
  AE_CONFIG_MISSING_FIELD: entry("HardValidationError", "user", "A required field is absent."),
  AE_CONFIG_UNKNOWN_FIELD: entry("HardValidationError", "user", "A key the schema does not know."),
  AE_CONFIG_INVALID_VALUE: entry("HardValidationError", "user", "A value breaks the rule of its field."),
  AE_CONFIG_MEMORY_LIMIT: entry(
    "HardValidationError",
    "user",
    "A memory limit below 8 MiB or above the machine.",
  ),
  AE_CONFIG_INVALID_PORT: entry("HardValidationError", "user", "A port outside 1-65535."),
  AE_CONFIG_PORT_TAKEN: entry("HardValidationError", "user", "Another program listens on the trigger port."),
  AE_CONFIG_DUPLICATE_FUNCTION: entry("HardValidationError", "user", "Two functions have the same id."),
  AE_CONFIG_DUPLICATE_PORT: entry("HardValidationError", "user", "Two functions have the same trigger port."),
  AE_CONFIG_PROGRAM_NOT_FOUND: entry(
    "HardValidationError",
    "user",
    "The command's program does not exist or cannot be executed.",
  ),
  AE_CONFIG_FOLDER_NOT_FOUND: entry("HardValidationError", "user", "A working folder does not exist."),
  AE_CONFIG_UNKNOWN_USER: entry("HardValidationError", "user", "The user is not known on this machine."),
  AE_CONFIG_INVALID_ID: entry(
    "HardValidationError",
    "user",
    "An id that is too long or has characters that leave a path.",
  ),
  AE_CONFIG_NO_SWAP: entry(
    "HardValidationError",
    "user",
    "`idle.reclaim` is asked for on a machine without active swap.",
  ),
  AE_CONFIG_CONTRADICTION: entry("HardValidationError", "user", "Two settings exclude each other."),
  AE_KEYS_INVALID: entry(
    "HardValidationError",
    "user",
    "The console's key file names a command or a key that there is not, or cannot be read.",
  ),
  AE_KEYS_CONFLICT: entry(
    "HardValidationError",
    "user",
    "The console's key file gives one key to two commands in one place.",
  ),
  // StateTransitionError
  AE_INVALID_STATE_TRANSITION: entry(
    "StateTransitionError",
    "user",
    "The lifecycle table does not allow this step.",
  ),
  AE_OPERATION_IN_PROGRESS: entry(
    "StateTransitionError",
    "user",
    "Another operation excludes this one just now.",
  ),
  // SandboxError: the ways in which starting a process fails
  AE_SPAWN_FAILED: entry("SandboxError", "user", "The program could not be started."),
  AE_READY_TIMEOUT: entry("SandboxError", "user", "The function was not ready in time."),
  AE_EARLY_EXIT: entry("SandboxError", "user", "The function ended before it was ready."),
  AE_HANDSHAKE_INVALID: entry(
    "SandboxError",
    "user",
    "Something other than READY came over the handshake socket.",
  ),
  AE_PORT_TAKEN: entry("SandboxError", "user", "The trigger port belongs to another program."),
  AE_OUT_OF_MEMORY: entry("SandboxError", "user", "The kernel ended the function at its memory limit."),
  AE_SANDBOX_SETUP_FAILED: entry(
    "SandboxError",
    "system",
    "Namespaces, mounts or cgroups could not be made.",
  ),
  AE_CRASH_LOOP: entry("SandboxError", "user", "The function keeps ending; the next start waits."),
  AE_RECLAIM_FAILED: entry(
    "SandboxError",
    "system",
    "The memory of a suspended function could not be handed back; it stays suspended.",
  ),
  // CriuError
  AE_CRIU_UNAVAILABLE: entry(
    "CriuError",
    "system",
    "CRIU is missing, too old, or does not work on this kernel.",
  ),
  AE_DUMP_FAILED: entry("CriuError", "system", "A snapshot could not be made; the function keeps running."),
  AE_RESTORE_FAILED: entry("CriuError", "system", "A snapshot could not be restored."),
  AE_PROOF_FAILED: entry(
    "CriuError",
    "user",
    "A restored copy answers a warm-up request otherwise than the function did before its snapshot.",
  ),
  AE_SNAPSHOT_NOT_FOUND: entry("CriuError", "user", "The function has no snapshot."),
  AE_SNAPSHOT_REFUSED: entry(
    "CriuError",
    "system",
    "A snapshot on disk does not fit this engine, kernel or command.",
  ),
  AE_LATENCY_VIOLATION: entry("CriuError", "user", "A restore ran out of its budget."),
  // SharedMemoryError
  AE_SHM_CREATE_FAILED: entry(
    "SharedMemoryError",
    "system",
    "A shared-memory file or memfd could not be made.",
  ),
  AE_SHM_MAP_FAILED: entry("SharedMemoryError", "system", "Shared memory could not be mapped."),
  AE_SHM_VERSION: entry("SharedMemoryError", "user", "Shared memory has the layout of another version."),
  AE_SHM_CORRUPTED: entry("SharedMemoryError", "system", "Shared memory holds what its layout forbids."),
  AE_RING_FULL: entry("SharedMemoryError", "system", "A ring has no room for the entry just now."),
  AE_RING_EMPTY: entry("SharedMemoryError", "system", "A ring has nothing to read."),
  AE_RING_CHECKSUM: entry(
    "SharedMemoryError",
    "system",
    "An entry of a ring does not have the checksum it says; the ring is closed.",
  ),
  AE_PAYLOAD_TOO_LARGE: entry("SharedMemoryError", "user", "A payload is above the limit of its ring."),
  AE_UNIX_SOCKET: entry("SharedMemoryError", "system", "A unix socket could not be made or used."),
  // NetworkError
  AE_ADDRESS_RANGE_TAKEN: entry(
    "NetworkError",
    "user",
    "There is no address for a function with `network: private`.",
  ),
  AE_NETWORK_FAILED: entry(
    "NetworkError",
    "system",
    "The network of a function with `network: private` could not be made.",
  ),
  // EbpfError
  AE_BPF_LOAD_FAILED: entry("EbpfError", "system", "A BPF object could not be opened or loaded."),
  AE_BPF_VERIFICATION_FAILED: entry("EbpfError", "system", "The kernel's verifier refused a BPF program."),
  AE_BPF_ATTACH_FAILED: entry("EbpfError", "system", "A BPF program could not be attached."),
  AE_BPF_MAP_NOT_FOUND: entry("EbpfError", "system", "A BPF object lacks a map."),
  AE_BPF_MAP_OPERATION_FAILED: entry("EbpfError", "system", "A BPF map could not be read or written."),
  // WakeError
  AE_WAKE_LISTENER_LOST: entry(
    "WakeError",
    "system",
    "The listening socket of a function could not be found or held.",
  ),
  AE_WAKE_WRONG_PORT: entry("WakeError", "user", "The function listens elsewhere than on its trigger port."),
  AE_CONNECTIONS_OPEN: entry("WakeError", "user", "Open connections keep the function from sleeping."),
  // ProfileError
  AE_PROFILE_UNREADABLE: entry("ProfileError", "user", "A traffic profile is missing or cannot be read."),
  AE_PROFILE_INVALID: entry(
    "ProfileError",
    "user",
    "A line of a traffic profile is wrong; line and column are told.",
  ),
  // XdpSocketError: AF_XDP sockets (src/ffi/xsk) and the packet capture of `aether tap`
  AE_XSK_UNSUPPORTED: entry(
    "XdpSocketError",
    "system",
    "The kernel, the driver or the machine cannot do what was asked of an AF_XDP socket.",
  ),
  AE_XSK_PERMISSION: entry(
    "XdpSocketError",
    "system",
    "The capabilities for AF_XDP or packet sockets are missing.",
  ),
  AE_XSK_QUEUE_BUSY: entry(
    "XdpSocketError",
    "user",
    "Another socket has the queue, or another XDP program the interface.",
  ),
  AE_XSK_UMEM_TOO_LARGE: entry(
    "XdpSocketError",
    "user",
    "The frames of a UMEM do not fit locked memory, huge pages or 4 GiB.",
  ),
  AE_XSK_INVALID_CONFIG: entry(
    "XdpSocketError",
    "user",
    "A number or combination in the settings of an AF_XDP socket cannot work.",
  ),
  AE_XSK_NO_DEVICE: entry("XdpSocketError", "user", "No interface of that name, or no queue of that number."),
  AE_XSK_DEVICE_GONE: entry(
    "XdpSocketError",
    "system",
    "The interface was removed or taken down while a socket used it.",
  ),
  AE_XSK_STALE_PACKET: entry(
    "XdpSocketError",
    "user",
    "A packet was used after its callback, its release or its sending.",
  ),
  AE_XSK_CLOSED: entry(
    "XdpSocketError",
    "user",
    "An AF_XDP socket was used after it was closed or handed over.",
  ),
  AE_XSK_CALLBACK_FAILED: entry(
    "XdpSocketError",
    "user",
    "The callback of a packet engine, or the module or worker it runs in, failed.",
  ),
  AE_XSK_CORRUPTED: entry("XdpSocketError", "system", "Rings or frames hold what their rules forbid."),
  // InvocationError
  AE_INVOKE_TIMEOUT: entry("InvocationError", "user", "An invocation had no result within its time limit."),
  AE_INVOKE_FAILED: entry(
    "InvocationError",
    "user",
    "The handler failed, or answered with what is no result.",
  ),
  AE_INVOKE_ABORTED: entry("InvocationError", "user", "The caller has given an invocation up."),
  AE_INVOKE_UNSUPPORTED: entry(
    "InvocationError",
    "user",
    "The function has neither a handler nor a port by which it could be invoked.",
  ),
  AE_INVOKE_CRASHED: entry("InvocationError", "user", "The function ended in the middle of an invocation."),
  AE_HOOK_REFUSED: entry(
    "InvocationError",
    "user",
    "A hook of the function refused its snapshot, or was late.",
  ),
  AE_HOOK_FAILED: entry(
    "InvocationError",
    "user",
    "A hook of the function failed after a restore, or was late.",
  ),
  // EngineError
  AE_ENGINE_RUNNING: entry("EngineError", "user", "An engine of this name is already running."),
  AE_ENGINE_NOT_RUNNING: entry("EngineError", "user", "No engine of this name is running."),
  AE_ENGINE_LOST: entry("EngineError", "system", "The engine ended or does not answer."),
  AE_METRICS_UNAVAILABLE: entry("EngineError", "user", "Metrics cannot be served on the address declared."),
  AE_STORE_FAILED: entry("EngineError", "system", "A record of the engine on disk could not be opened."),
  AE_LAUNCHER_LOST: entry(
    "EngineError",
    "system",
    "The launcher process ended; its sandboxes ended with it.",
  ),
  AE_MACHINE_NOT_READY: entry(
    "EngineError",
    "system",
    "Something the engine needs is missing on this machine; exit code 3.",
  ),
  AE_UNKNOWN_FUNCTION: entry("EngineError", "user", "No function of that id."),
  AE_USAGE: entry("EngineError", "user", "The command line or request is wrong."),
  AE_INTERNAL: entry("EngineError", "system", "A defect in Aether."),
} as const satisfies Record<string, CodeInfo>;

export type ErrorCode = keyof typeof errorCodes;
export type ErrorFamily = (typeof errorCodes)[ErrorCode]["family"];
