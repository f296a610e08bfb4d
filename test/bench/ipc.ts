/**
 * `aether bench ipc`: a message to a handler and back, over the ring, a unix socket and HTTP on loopback, in Python and in
 * Node, turn by turn in one run; and the ring alone, one way, between two threads. No sandbox: the way is what is measured.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { oneWay } from "./ipc-one-way.ts";
import { httpPeer, languages, ringPeer, unixPeer } from "./ipc-peers.ts";
import type { Language, Peer, Way } from "./ipc-peers.ts";
import { machineFacts, quantiles } from "./machine.ts";
import type { Quantiles } from "./machine.ts";

const criu = fileURLToPath(new URL("../../.tools/criu/bin/criu", import.meta.url));
const sizes = [64, 4_096, 65_500] as const;
const perTurn = 50;
/** Until both sides are compiled. */
const warmTurns = 15;
const atOnce = 32;
const oneWayMessages = 3_000_000;

interface Case {
  readonly language: Language;
  readonly way: Way;
  readonly bytes: number;
  readonly roundTripUs: Quantiles;
  readonly perSecond: number;
}

async function roundTrips(peer: Peer, payload: Uint8Array, into: number[]): Promise<void> {
  for (let turn = 0; turn < perTurn; turn++) {
    const startedAt = performance.now();
    const back = await peer.echo(payload);
    into.push((performance.now() - startedAt) * 1_000);
    if (back.length !== payload.length) throw new Error(`${peer.way}: ${back.length} bytes came back`);
  }
}

async function throughput(peer: Peer, payload: Uint8Array, messages: number): Promise<number> {
  let left = messages;
  const startedAt = performance.now();
  const lane = async (): Promise<void> => {
    while (left-- > 0) await peer.echo(payload);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return Math.round((messages / (performance.now() - startedAt)) * 1_000);
}

async function measure(language: Language, folder: string, n: number): Promise<Case[]> {
  await using cleanup = new AsyncDisposableStack();
  const peers = [
    cleanup.use(ringPeer(language)),
    cleanup.use(await unixPeer(language, folder)),
    cleanup.use(await httpPeer(language)),
  ];
  const cases: Case[] = [];
  for (const bytes of sizes) {
    const payload = new Uint8Array(bytes).fill(0xa5);
    const times = new Map<Peer, number[]>(peers.map((peer) => [peer, []]));
    for (let turn = 0; turn < warmTurns; turn++)
      for (const peer of peers) await roundTrips(peer, payload, []);
    for (let done = 0; done < n; done += perTurn)
      for (const [peer, into] of times) await roundTrips(peer, payload, into);
    for (const [peer, into] of times) {
      const perSecond = await throughput(peer, payload, Math.min(n * 4, 20_000));
      cases.push({ language, way: peer.way, bytes, roundTripUs: quantiles(into), perSecond });
    }
  }
  return cases;
}

const n = Number(process.argv[process.argv.indexOf("--n") + 1]) || 2_000;
const folder = mkdtempSync(join(tmpdir(), "aether-bench-"));
const cases: Case[] = [];
try {
  for (const language of Object.keys(languages) as Language[])
    cases.push(...(await measure(language, folder, n)));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const p50 = (language: Language, way: Way, bytes: number): number =>
  cases.find((one) => one.language === language && one.way === way && one.bytes === bytes)?.roundTripUs.p50 ??
  Number.NaN;
const ratios = (Object.keys(languages) as Language[]).flatMap((language) =>
  sizes.map((bytes) => ({
    language,
    bytes,
    httpOverRing: Math.round((p50(language, "http", bytes) / p50(language, "ring", bytes)) * 100) / 100,
    unixOverRing: Math.round((p50(language, "unix", bytes) / p50(language, "ring", bytes)) * 100) / 100,
  })),
);
const oneWayPerSecond = Math.round(await oneWay(oneWayMessages, 64));
const result = {
  bench: "ipc",
  when: new Date().toISOString(),
  machine: machineFacts(criu),
  n,
  cases,
  ratios,
  oneWay: { bytes: 64, messages: oneWayMessages, perSecond: oneWayPerSecond },
};
if (process.argv.includes("--json")) {
  console.log(JSON.stringify(result, null, 2));
} else {
  const { machine } = result;
  console.log(
    `${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, Node ${machine.node}, n = ${n}\n`,
  );
  console.log("handler  way     bytes   round trip p50     p99 us   messages a second");
  for (const { language, way, bytes, roundTripUs, perSecond } of cases)
    console.log(
      `${language.padEnd(9)}${way.padEnd(6)}${String(bytes).padStart(7)}${roundTripUs.p50.toFixed(1).padStart(17)}${roundTripUs.p99.toFixed(1).padStart(11)}${String(perSecond).padStart(20)}`,
    );
  for (const { language, bytes, httpOverRing, unixOverRing } of ratios)
    console.log(
      `${language} ${bytes}: HTTP takes ${httpOverRing} times as long, a unix socket ${unixOverRing}`,
    );
  console.log(`ring one way, 64 bytes, two threads: ${oneWayPerSecond} messages a second`);
}
