/** The output of all instances on its way to the engine's thread: its last lines, and whether there is room for more. */
import { OutputFlow } from "./output-flow.ts";
import { OutputTail } from "./output-tail.ts";

interface InstanceOutput {
  readonly tail: OutputTail;
  readonly flow: OutputFlow;
}

export class InstanceOutputs {
  readonly #byId = new Map<string, InstanceOutput>();

  /** One of a replica that is made now. */
  add(replicaId: string): OutputTail {
    const output: InstanceOutput = { tail: new OutputTail(), flow: new OutputFlow() };
    this.#byId.set(replicaId, output);
    return output.tail;
  }

  remove(replicaId: string): void {
    this.#byId.delete(replicaId);
  }

  /** It was read, and is sent on. */
  sent(replicaId: string, chunk: Uint8Array): void {
    const output = this.#byId.get(replicaId);
    output?.tail.add(chunk);
    output?.flow.sent(chunk.length);
  }

  /** The engine has taken in so much. */
  taken(replicaId: string, bytes: number): void {
    this.#byId.get(replicaId)?.flow.acknowledged(bytes);
  }

  /** `null` while there is room, else a promise of it. */
  room(replicaId: string): Promise<void> | null {
    return this.#byId.get(replicaId)?.flow.room ?? null;
  }
}
