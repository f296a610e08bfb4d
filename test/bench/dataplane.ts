/**
 * `aether bench dataplane`: what the XDP program costs. Time per packet (BPF_PROG_RUN) beside an empty program and the
 * least one that knows a port; packets a second over a veth pair and bulk TCP over loopback, bare, with an empty program
 * and with ours. Everything in network namespaces of its own; cases take turns, so that drift hits all alike.
 */
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { Attachment, programName } from "../../dist/engine/dataplane/attachment.js";
import { portCount, portCounterSlots } from "../../dist/engine/dataplane/layout.js";
import { PortMap } from "../../dist/engine/dataplane/port-map.js";
import { PortTable } from "../../dist/engine/dataplane/port-table.js";
import { loadXdpObject, mappedSettings, mappedStructs } from "../../dist/engine/dataplane/xdp-object.js";
import { readBpfObject } from "../../dist/ffi/bpf-file.js";
import { possibleCpus } from "../../dist/ffi/bpf-library.js";
import { attachXdp } from "../../dist/ffi/bpf-xdp.js";
import { BpfObject } from "../../dist/ffi/libbpf.js";
import type { BpfProgram } from "../../dist/ffi/libbpf.js";
import { inNetns } from "../../dist/ffi/netns.js";
import { Actor } from "../helpers/actor.ts";
import { frame4 } from "../helpers/packets.ts";
import { machineFacts, quantiles } from "./machine.ts";
import type { Quantiles } from "./machine.ts";

/** As in engine.data_plane. */
type XdpMode = "auto" | "native" | "generic";

const repository = fileURLToPath(new URL("../../", import.meta.url));
const bpf = (name: string): string => join(repository, "build/bpf", name);
const port = 8080;
/** The least that gives a median; --n asks for more. */
const leastRounds = 9;
const runsPerRound = 200_000;
/** So many rounds of single packets for one of traffic. */
const programRounds = 5;
const secondsPerRound = 0.4;

const round2 = (value: number): number => Math.round(value * 100) / 100;
const median = (values: readonly number[]): number => quantiles(values).p50;

/** Runs every case in turn, `rounds` times, in another order each time. */
async function inTurns<K extends string>(
  cases: Readonly<Record<K, () => number | Promise<number>>>,
  rounds: number,
): Promise<Record<K, number[]>> {
  const names = Object.keys(cases) as K[];
  const found = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<K, number[]>;
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(turn + round) % names.length];
      if (name !== undefined) found[name].push(await cases[name]());
    }
  }
  return found;
}

/** What comes from dist/ has inferred types, and those say that nothing may come. */
function loaded(object: BpfObject | undefined): BpfObject {
  if (object === undefined) throw new Error("no BPF object was loaded");
  return object;
}

const ourObject = (): BpfObject => loaded(loadXdpObject(readBpfObject(bpf("xdp.bpf.o")), {}));

function declared(object: BpfObject): void {
  const table = new PortTable({
    settings: mappedSettings(object),
    counters: () => [],
    limits: mappedStructs(object, "port_limits", "port_limit", portCounterSlots),
    cpus: possibleCpus(),
  });
  table.declare(port, { protocol: "tcp", maxConnectionsPerSecond: null });
  table.declare(port + 1, { protocol: "udp", maxConnectionsPerSecond: null });
  const map = new PortMap(mappedStructs(object, "port_redirect_map", "port_value", portCount));
  for (const each of [port, port + 1]) map.set(each, { pid: process.pid, address: "127.0.0.1" });
}

interface Programs {
  readonly ours: BpfObject;
  readonly baseline: BpfObject;
}

function finished(program: BpfProgram, frame: Uint8Array): boolean {
  try {
    program.run(frame, runsPerRound);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EINTR") return false;
    throw error;
  }
}

/** Nanoseconds a packet. The kernel's loop around the program is in every case: the empty one shows how much it is. */
async function programTime({ ours, baseline }: Programs, rounds: number) {
  const payload = [1, 2, 3, 4, 5, 6, 7, 8];
  const hit = frame4({ protocol: "tcp", to: port, payload });
  const miss = frame4({ protocol: "tcp", to: 9, payload });
  const malformed = frame4({ protocol: "tcp", to: port, payload }, { version: 5 });
  const time = (program: BpfProgram, frame: Uint8Array) => (): number => {
    for (;;) {
      // Of this thread alone: the call waits for the kernel too (an RCU grace period), and others have their turns.
      const before = process.threadCpuUsage();
      // Signals of Node's own break off a run; it is measured anew then.
      if (finished(program, frame)) {
        const { user, system } = process.threadCpuUsage(before);
        return ((user + system) * 1000) / runsPerRound;
      }
    }
  };
  const mine = ours.program(programName);
  const least = baseline.program("bench_least");
  const results = await inTurns(
    {
      empty: time(baseline.program("bench_empty"), hit),
      least: time(least, hit),
      hit: time(mine, hit),
      miss: time(mine, miss),
      malformed: time(mine, malformed),
    },
    rounds,
  );
  const { empty, least: smallest, hit: hits, miss: misses } = results;
  // Round by round, so that a slow moment is in both sides of a ratio.
  const ratios = (top: readonly number[], bottom: readonly number[]): number =>
    round2(median(top.map((value, index) => value / (bottom[index] ?? Number.NaN))));
  const added = (values: readonly number[]): number =>
    round2(median(values.map((value, index) => value - (empty[index] ?? Number.NaN))));
  return {
    runsPerRound,
    /** The quietest round of each, on a machine that others use too. */
    leastNs: Object.fromEntries(
      Object.entries(results).map(([name, values]) => [name, round2(Math.min(...values))]),
    ),
    nsPerPacket: Object.fromEntries(
      Object.entries(results).map(([name, values]) => [name, quantiles(values)]),
    ),
    addedNs: {
      least: added(smallest),
      hit: added(hits),
      miss: added(misses),
      malformed: added(results.malformed),
    },
    hitToLeast: ratios(hits, smallest),
    missToLeast: ratios(misses, smallest),
  };
}

const setUp = `
def sh(*lines):
    for line in lines:
        if os.system(line) != 0: raise Exception(line)
sh("ip link set lo up")
`;

/** Sends with sendmmsg, 256 datagrams a call, so that the kernel is what is measured. */
const flood = `
class iovec(ctypes.Structure): _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]
class msghdr(ctypes.Structure): _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32), ("iov", ctypes.c_void_p),
    ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t), ("flags", ctypes.c_int)]
class mmsghdr(ctypes.Structure): _fields_ = [("hdr", msghdr), ("len", ctypes.c_uint32)]
data = ctypes.create_string_buffer(18); vector = iovec(ctypes.addressof(data), 18); batch = (mmsghdr * 256)()
for each in batch: each.hdr.iov = ctypes.addressof(vector); each.hdr.iovlen = 1
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); out.connect(("10.7.0.1", ${port + 1}))
def flood(seconds):
    end = time.perf_counter() + seconds; fd = out.fileno()
    while time.perf_counter() < end: libc.sendmmsg(fd, batch, 256, 0)
def received(name):
    for line in open("/proc/thread-self/net/dev"):
        if line.strip().startswith(name + ":"): return int(line.split(":")[1].split()[1])
`;

const bulk = `
import threading
block = b"x" * (1 << 20)
l = listen(${port}, host="127.0.0.1")
def sink():
    while True:
        try: a = l.accept()[0]
        except socket.timeout: continue
        a.settimeout(None)
        while a.recv_into(room): pass
        a.close()
room = bytearray(1 << 20)
threading.Thread(target=sink, daemon=True).start()
def stream(seconds):
    c = client(${port}); total = 0; started = time.perf_counter()
    while time.perf_counter() < started + seconds: c.sendall(block); total += len(block)
    took = time.perf_counter() - started; c.close()
    return total * 8 / took / 1e9
`;

/** Frames a second that the far end of a veth pair receives. */
async function overVeth(programs: Programs, mode: XdpMode, rounds: number) {
  const host = new Actor(null);
  const sender = new Actor(null);
  try {
    for (const actor of [host, sender]) await actor.run(setUp);
    await host.run(`sh("ip link add up0 type veth peer name down0 netns ${sender.pid}",
      "ip addr add 10.7.0.1/24 dev up0", "ip link set up0 up")
sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sink.bind(("0.0.0.0", ${port + 1}))`);
    await sender.run(`sh("ip addr add 10.7.0.2/24 dev down0", "ip link set down0 up")`);
    for (const actor of [host, sender]) await actor.run(flood);
    const count = async (): Promise<number> => {
      const before = (await host.run(`result = received("up0")`)) as number;
      const startedAt = performance.now();
      await sender.run(`flood(${secondsPerRound})`);
      const seconds = (performance.now() - startedAt) / 1000;
      return (((await host.run(`result = received("up0")`)) as number) - before) / seconds;
    };
    return await threeWays(programs, host, "up0", mode, count, rounds);
  } finally {
    await Promise.all([host.end(), sender.end()]);
  }
}

/** Gigabits a second of one TCP connection over loopback. */
async function overLoopback(programs: Programs, rounds: number) {
  const host = new Actor(null);
  try {
    await host.run(setUp);
    await host.run(bulk);
    const rate = async (): Promise<number> =>
      (await host.run(`result = stream(${secondsPerRound})`)) as number;
    return await threeWays(programs, host, "lo", "generic", rate, rounds);
  } finally {
    await host.end();
  }
}

async function threeWays(
  { baseline }: Programs,
  host: Actor,
  name: string,
  mode: XdpMode,
  measure: () => Promise<number>,
  rounds: number,
) {
  const inHost = <T>(work: () => T): T => inNetns(`/proc/${host.pid}/ns/net`, work);
  await measure(); // The first connection, neighbours and pages are nobody's.
  const results = await inTurns(
    {
      bare: measure,
      empty: async () => {
        using link = inHost(() => attachXdp(baseline.program("bench_empty"), name, mode));
        return link.programId > 0 ? await measure() : Number.NaN;
      },
      ours: async () => {
        const object = ourObject();
        declared(object);
        using attachment = inHost(() => new Attachment(name, mode, object));
        return attachment.attached.programId > 0 ? await measure() : Number.NaN;
      },
    },
    rounds,
  );
  const each = (top: readonly number[], bottom: readonly number[]): number =>
    round2(median(top.map((value, index) => value / (bottom[index] ?? Number.NaN))));
  const rates = Object.fromEntries(
    Object.entries(results).map(([key, values]): [string, Quantiles] => [key, quantiles(values)]),
  );
  return {
    mode,
    secondsPerRound,
    rates,
    oursToEmpty: each(results.ours, results.empty),
    oursToBare: each(results.ours, results.bare),
    emptyToBare: each(results.empty, results.bare),
  };
}

const asked = Number(process.argv[process.argv.indexOf("--n") + 1]) || 25;
const rounds = Math.max(leastRounds, asked);
/** Rounds that take half a second each. */
const slowRounds = Math.min(rounds, 25);
const programs: Programs = {
  ours: ourObject(),
  baseline: loaded(BpfObject.load(readBpfObject(bpf("bench.bpf.o")))),
};
declared(programs.ours);
const result = {
  bench: "dataplane",
  when: new Date().toISOString(),
  machine: machineFacts(join(repository, ".tools/criu/bin/criu")),
  rounds: { program: rounds * programRounds, traffic: slowRounds },
  program: await programTime(programs, rounds * programRounds),
  vethPacketsPerSecond: [
    await overVeth(programs, "generic", slowRounds),
    await overVeth(programs, "native", slowRounds),
  ],
  loopbackGigabitsPerSecond: await overLoopback(programs, slowRounds),
};
for (const object of [programs.ours, programs.baseline]) object[Symbol.dispose]();

if (process.argv.includes("--json")) {
  console.log(JSON.stringify(result, null, 2));
} else {
  const { machine, program } = result;
  console.log(`${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, ${rounds} rounds\n`);
  console.log("ns a packet, above an empty program:");
  for (const [name, ns] of Object.entries(program.addedNs))
    console.log(`  ${name.padEnd(10)}${ns.toFixed(1).padStart(6)}`);
  console.log(`  a hit takes ${program.hitToLeast} times the least program that knows a port\n`);
  for (const [title, way] of [
    ...result.vethPacketsPerSecond.map((way) => [`packets a second over veth, ${way.mode}`, way] as const),
    ["Gbit/s over loopback, generic", result.loopbackGigabitsPerSecond] as const,
  ]) {
    console.log(`${title}:`);
    for (const [name, rate] of Object.entries(way.rates))
      console.log(`  ${name.padEnd(10)}${String(rate.p50).padStart(14)}`);
    console.log(`  ours to empty ${way.oursToEmpty}, to bare ${way.oursToBare}\n`);
  }
}
