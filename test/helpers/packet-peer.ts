/** Two network namespaces with a veth pair between them: `xa` is ours, `xb` is that of a program with a packet socket. */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface } from "node:readline";

const program = `
import base64, json, select, socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(263, 23, 1)  # PACKET_IGNORE_OUTGOING
s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
s.bind(("xb", 0))
print("{}", flush=True)
for line in sys.stdin:
    order = json.loads(line); got = []
    for frame in order.get("send", []): s.send(base64.b64decode(frame))
    while len(got) < order.get("receive", 0) and select.select([s], [], [], order["seconds"])[0]:
        got.append(base64.b64encode(s.recv(65536)).decode())
    print(json.dumps(got), flush=True)
`;

let next = 1;

function ip(...args: readonly string[]): void {
  const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
}

export class PacketPeer implements AsyncDisposable {
  readonly namespace = `aether-xsk-${process.pid}-${next++}`;
  readonly #far = `${this.namespace}-far`;
  readonly #children: ChildProcessWithoutNullStreams[] = [];
  #peer: ChildProcessWithoutNullStreams | null = null;
  #answers: AsyncIterator<string> | null = null;
  /** Orders run one after another. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor() {
    ip("netns", "add", this.namespace);
    ip("netns", "add", this.#far);
  }

  static async open({ queues = 1 } = {}): Promise<PacketPeer> {
    const peer = new PacketPeer();
    try {
      // No IPv6: its neighbour discovery would be among the packets.
      for (const end of ["near", "far"] as const)
        peer.exec(
          end,
          "sysctl",
          "-qw",
          "net.ipv6.conf.all.disable_ipv6=1",
          "net.ipv6.conf.default.disable_ipv6=1",
        );
      // The far end sends by one queue, so that all arrives on queue 0: veth takes the sender's number.
      const near = ["numrxqueues", String(queues), "numtxqueues", String(queues)];
      const far = ["numrxqueues", String(queues), "numtxqueues", "1"];
      peer.ip("link", "add", "xa", ...near, "type", "veth", "peer", "name", "xb", "netns", peer.#far, ...far);
      peer.ip("link", "set", "xa", "up");
      ip("-n", peer.#far, "link", "set", "xb", "up");
      await peer.#start();
      return peer;
    } catch (error) {
      await peer[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** As the library wants it. */
  get path(): string {
    return `/run/netns/${this.namespace}`;
  }

  /** `ip` within the namespace. */
  ip(...args: readonly string[]): void {
    ip("-n", this.namespace, ...args);
  }

  /** Gives the ends addresses of the stack: 10.1.0.2 is ours, 10.1.0.1 the far one. */
  addAddresses({ near }: { near: boolean }): void {
    if (near) this.ip("addr", "add", "10.1.0.2/24", "dev", "xa");
    ip("-n", this.#far, "addr", "add", "10.1.0.1/24", "dev", "xb");
  }

  /** A program at one end, until it ends. */
  exec(
    end: "near" | "far",
    command: string,
    ...args: readonly string[]
  ): { status: number | null; stdout: string } {
    const all = ["netns", "exec", end === "near" ? this.namespace : this.#far, command, ...args];
    const { status, stdout } = spawnSync("ip", all, { encoding: "utf8", timeout: 30_000 });
    return { status, stdout };
  }

  /** A program at one end that goes on; it ends with the peer. */
  spawn(end: "near" | "far", command: string, ...args: readonly string[]): ChildProcessWithoutNullStreams {
    const namespace = end === "near" ? this.namespace : this.#far;
    const child = spawn("ip", ["netns", "exec", namespace, command, ...args]);
    child.stderr.pipe(process.stderr);
    this.#children.push(child);
    return child;
  }

  async #start(): Promise<void> {
    this.#peer = this.spawn("far", "python3", "-c", program);
    this.#answers = createInterface(this.#peer.stdout)[Symbol.asyncIterator]();
    await this.#answers.next();
  }

  async #order(order: object): Promise<Uint8Array[]> {
    const turn = this.#last.then(async () => {
      this.#peer?.stdin.write(`${JSON.stringify(order)}\n`);
      const answer = await this.#answers?.next();
      if (answer?.done !== false) throw new Error("the packet peer ended");
      return (JSON.parse(answer.value) as string[]).map(
        (frame) => new Uint8Array(Buffer.from(frame, "base64")),
      );
    });
    this.#last = turn.catch(() => undefined);
    return await turn;
  }

  async send(frames: readonly Uint8Array[]): Promise<void> {
    await this.#order({ send: frames.map((frame) => Buffer.from(frame).toString("base64")), seconds: 0 });
  }

  /** What has come to the far end; fewer than asked for when nothing more comes for some seconds. */
  async received(count: number): Promise<Uint8Array[]> {
    return await this.#order({ receive: count, seconds: 5 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise((resolve) => child.once("close", resolve));
      child.kill("SIGKILL");
      await ended;
    }
    for (const namespace of [this.namespace, this.#far]) spawnSync("ip", ["netns", "del", namespace]);
  }
}
