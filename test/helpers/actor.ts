/** A Python process in a network namespace of its own that does what a test tells it, line by line. */
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface } from "node:readline";

/** Runs the lines it is sent as Python, and answers each with the value of `result` or the name of the error. */
const actorProgram = `
import ctypes, errno, json, os, socket, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def listen(port, family=socket.AF_INET, host="127.0.0.1", reuse=True, **options):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse: s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if "defer" in options: s.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, options["defer"])
    s.bind((host, port)); s.listen(128); s.settimeout(5)
    return s
def client(port, family=socket.AF_INET, host="127.0.0.1"):
    s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(5); s.connect((host, port)); return s
def take(pid, fd):
    pidfd = os.pidfd_open(pid)
    got = libc.syscall(438, pidfd, fd, 0); os.close(pidfd)
    s = socket.socket(fileno=got); s.settimeout(5); return s
def sysctl(name, value): open("/proc/sys/" + name, "w").write(str(value))
scope = dict(globals())
for line in sys.stdin:
    scope["result"] = None
    try:
        exec(json.loads(line), scope); answer = {"result": scope["result"]}
    except OSError as error: answer = {"error": errno.errorcode.get(error.errno, str(error))}
    except Exception as error: answer = {"error": repr(error)}
    print(json.dumps(answer), flush=True)
`;

export class Actor {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #answers: AsyncIterator<string>;

  /** In a network namespace (and, where asked for, a mount namespace) of its own, or in that of another actor. */
  constructor(neighbour: Actor | null, ownMounts = false) {
    const [command, ...args] =
      neighbour === null
        ? ["unshare", ownMounts ? "-nm" : "-n"]
        : ["nsenter", "-n", "-t", String(neighbour.pid)];
    this.#process = spawn(command ?? "", [...args, "python3", "-c", actorProgram]);
    this.#process.stderr.pipe(process.stderr);
    this.#answers = createInterface(this.#process.stdout)[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async run(code: string): Promise<unknown> {
    this.#process.stdin.write(`${JSON.stringify(code)}\n`);
    const { value } = (await this.#answers.next()) as { value: string | undefined };
    const answer = JSON.parse(value ?? '{"error":"the actor ended"}') as { result?: unknown; error?: string };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.result;
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once("close", resolve));
    this.#process.kill("SIGKILL");
    await ended;
  }
}
