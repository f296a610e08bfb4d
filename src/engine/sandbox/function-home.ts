/** What the sandboxes of one function have in common: its folders, group, network and rings, and their names. */
import { chmodSync, chownSync, mkdirSync } from "node:fs";
import type { Fd } from "../../ffi/fd.ts";
import type { FunctionConfig } from "../../protocol/config.ts";
import { ImageFolder } from "../snapshot/image.ts";
import type { Image } from "../snapshot/image.ts";
import type { FunctionCgroup } from "./cgroups.ts";
import type { SandboxContext } from "./context.ts";
import { setupError } from "./driver-errors.ts";
import { InstanceRings } from "./instance-rings.ts";
import { sharedTmpEntries } from "./layout.ts";
import type { PersistentFolders } from "./layout.ts";
import type { FunctionPort } from "./listeners.ts";
import { PreparedRestore } from "./prepared-restore.ts";
import type { Sandbox } from "./sandbox.ts";
import { timedRestore } from "./timed-restore.ts";
import type { TimedRestore } from "./timed-restore.ts";

/** A network namespace that outlives the sandboxes in it. */
export interface SandboxNetwork {
  readonly namespace: Fd;
  readonly address: string;
}

export interface FunctionHomeOptions {
  readonly config: FunctionConfig;
  readonly cgroup: FunctionCgroup;
  /** Last lines of the function's output. */
  readonly lastOutput: () => readonly string[];
  /** A version that is tried beside the running one: in a network of its own, with its own work folder and socket. */
  readonly rehearsal?: boolean;
  /** The network of its own that it runs in; `null`, and of a rehearsal: none. */
  readonly network?: SandboxNetwork | null;
}

export class FunctionHome {
  readonly context: SandboxContext;
  /** Replaced by settings that need no new process. */
  config: FunctionConfig;
  readonly cgroup: FunctionCgroup;
  readonly lastOutput: () => readonly string[];
  readonly rehearsal: boolean;
  readonly network: SandboxNetwork | null;
  readonly images: ImageFolder;
  readonly folders: PersistentFolders;
  readonly workDirectory: string;
  readonly sharedTmp: readonly string[];
  readonly rings: InstanceRings;
  /** The sandbox of a start, a trial or a restore that is not finished. */
  underWay: Sandbox | null = null;
  #sequence = 0;

  constructor(context: SandboxContext, options: FunctionHomeOptions) {
    const { config } = options;
    this.context = context;
    this.config = config;
    this.cgroup = options.cgroup;
    this.rings = new InstanceRings(context, config.id);
    this.lastOutput = options.lastOutput;
    this.rehearsal = options.rehearsal === true;
    this.network = options.network ?? null;
    // CRIU with its libraries runs inside the sandbox too.
    this.sharedTmp = sharedTmpEntries([
      config.cwd,
      config.program,
      context.criu.binary,
      ...config.command.slice(1),
    ]);
    const root = `${context.snapshotRoot}/${config.id}`;
    this.images = new ImageFolder(root);
    this.workDirectory = `${root}/${this.rehearsal ? "work-next" : "work"}`;
    mkdirSync(this.workDirectory, { recursive: true, mode: 0o700 });
    this.folders = { tmp: `${context.tmpRoot}/${config.id}`, shm: `${root}/shm` };
    for (const folder of Object.values(this.folders)) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      chmodSync(folder, 0o1777);
      chownSync(folder, config.user?.uid ?? 0, config.user?.gid ?? 0);
    }
  }

  /** The name of the next sandbox, and of the instance in it. */
  nextName(): string {
    this.#sequence += 1;
    return `${this.config.id}-${this.rehearsal ? "next-" : ""}${this.#sequence}`;
  }

  /** Where its instances listen. */
  get where(): FunctionPort {
    return { protocol: this.config.protocol, port: this.config.triggerPort };
  }

  /** The socket of the handshake. */
  get socketPath(): string {
    return `${this.context.runtimeDir}/${this.config.id}${this.rehearsal ? ".next" : ""}.sock`;
  }

  /**
   * A sandbox with a CRIU that waits for the word.
   * @param touched a program was touched since the dump: CRIU compares the build ids
   * @throws AetherError AE_SANDBOX_SETUP_FAILED
   */
  async makePrepared(image: Image, privateNetwork: boolean, touched = false): Promise<PreparedRestore> {
    const name = this.nextName();
    try {
      return await PreparedRestore.create(this.context, {
        functionId: this.config.id,
        name,
        image,
        ring: image.manifest.ring === null ? null : this.rings.make(name, image.manifest.ring),
        sharedTmp: this.sharedTmp,
        folders: this.folders,
        workDirectory: this.workDirectory,
        cgroup: this.cgroup,
        privileged: this.config.privileged,
        network: privateNetwork ? "new" : (this.network?.namespace ?? null),
        validate: image.manifest.allStamped && !touched ? "size" : "build-id",
      });
    } catch (error) {
      throw setupError(this.config.id, error);
    }
  }

  /** One restore, measured. Never rejects. */
  async restore(prepared: PreparedRestore): Promise<TimedRestore> {
    this.underWay = prepared.sandbox;
    try {
      return await timedRestore(this.context, prepared, {
        functionId: this.config.id,
        workDirectory: this.workDirectory,
      });
    } finally {
      this.underWay = null;
    }
  }
}
