/** The XDP program on single frames (BPF_PROG_RUN): nothing is attached, nothing is sent. */
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readInterfaceCounters } from "../../src/engine/dataplane/counters.ts";
import type { CounterArrays, InterfaceCounters } from "../../src/engine/dataplane/counters.ts";
import { portCount, portCounterSlots, structs } from "../../src/engine/dataplane/layout.ts";
import { packAddress, PortMap } from "../../src/engine/dataplane/port-map.ts";
import { unparsedReasons } from "../../src/protocol/unparsed-reasons.ts";
import type { UnparsedReason } from "../../src/protocol/unparsed-reasons.ts";
import { PortTable } from "../../src/engine/dataplane/port-table.ts";
import { loadXdpObject, mappedSettings, mappedStructs } from "../../src/engine/dataplane/xdp-object.ts";
import { readBpfObject } from "../../src/ffi/bpf-file.ts";
import { possibleCpus } from "../../src/ffi/bpf-library.ts";
import { BpfRing } from "../../src/ffi/bpf-ring.ts";
import { xdpVerdict } from "../../src/ffi/bpf-program.ts";
import type { BpfProgram } from "../../src/ffi/bpf-program.ts";
import type { BpfObject } from "../../src/ffi/libbpf.ts";
import { until } from "../helpers/observe.ts";
import { ethernet, frame4, frame6, ip4, tcpFlags } from "../helpers/packets.ts";
import type { Extension, Ip4, Ip6, Transport } from "../helpers/packets.ts";

const objectPath = fileURLToPath(new URL("../../build/bpf/xdp.bpf.o", import.meta.url));
const missing =
  process.getuid?.() !== 0
    ? "no root"
    : existsSync(objectPath)
      ? null
      : "build/bpf is not built: npm run setup";

const port = 8080;
const tcp: Transport = { protocol: "tcp", to: port };
const udp: Transport = { protocol: "udp", to: port, payload: [1, 2, 3] };
const options = [1, 1, 1, 0];

describe.skipIf(missing !== null)(
  `the XDP program${missing === null ? "" : ` (skipped: ${missing})`}`,
  () => {
    let descriptors: number;
    let object: BpfObject;
    let program: BpfProgram;
    let table: PortTable;
    let map: PortMap;
    let counters: CounterArrays;

    const onInterface = (): InterfaceCounters =>
      readInterfaceCounters("test", counters, possibleCpus(), table.slots);

    function open(): void {
      descriptors = readdirSync("/proc/self/fd").length;
      object = loadXdpObject(readBpfObject(objectPath), {});
      program = object.program("aether_ports");
      counters = {
        ports: mappedStructs(object, "port_counters", "port_counters", possibleCpus() * portCounterSlots),
        unparsed: mappedStructs(object, "interface_counters", "interface_counters", possibleCpus()),
      };
      table = new PortTable({
        settings: mappedSettings(object),
        counters: () => [counters],
        limits: mappedStructs(object, "port_limits", "port_limit", portCounterSlots),
        cpus: possibleCpus(),
      });
      map = new PortMap(mappedStructs(object, "port_redirect_map", "port_value", portCount));
      declare();
    }

    const declare = (): void => table.declare(port, { protocol: "tcp", maxConnectionsPerSecond: null });

    async function close(): Promise<void> {
      object[Symbol.dispose]();
      await until(() => readdirSync("/proc/self/fd").length <= descriptors, "the descriptors to be closed");
    }

    /** The verifier takes a third of a second: where a test changes nothing but counters, its program serves the next. */
    function shareProgram(): void {
      beforeAll(open);
      afterAll(close);
      afterEach(() => {
        table.release(port);
        declare();
      });
    }

    function ownProgram(): void {
      beforeEach(open);
      afterEach(close);
    }

    /** Runs a frame that must be passed as it is; returns by which reason it was not parsed, if so. */
    function pass(frame: Uint8Array): UnparsedReason | "parsed" {
      const before = onInterface();
      const { verdict, data } = program.run(frame);
      const after = onInterface();
      expect(verdict).toBe(xdpVerdict.pass);
      expect(data).toEqual(frame);
      expect(after.packets).toBe(before.packets + 1);
      expect(after.bytes).toBe(before.bytes + frame.length);
      const counted = unparsedReasons.filter((reason) => after.unparsed[reason] !== before.unparsed[reason]);
      expect(counted.length).toBeLessThanOrEqual(1);
      for (const reason of counted) expect(after.unparsed[reason]).toBe(before.unparsed[reason] + 1);
      return counted[0] ?? "parsed";
    }

    const hits = (): number => table.counters(port)?.packets ?? -1;

    describe("headers", () => {
      shareProgram();

      const hopByHop: Extension = [0, [0, 1, 4, 0, 0, 0, 0]];
      const long: Extension = [60, [1, ...Array<number>(14).fill(0)]];
      const routing: Extension = [43, [0, 0, 0, 0, 0, 0, 0]];
      const authentication: Extension = [51, [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]];
      const wholeFragment: Extension = [44, [0, 0, 0, 0, 0, 0, 9]];
      const firstFragment: Extension = [44, [0, 0, 1, 0, 0, 0, 9]];
      const laterFragment: Extension = [44, [0, 0, 8, 0, 0, 0, 9]];

      it.each<[string, Uint8Array]>([
        ["IPv4 and TCP", frame4(tcp)],
        ["IPv4 with options", frame4(tcp, { options })],
        ["IPv4 with all the options there may be", frame4(tcp, { options: Array<number>(40).fill(1) })],
        ["TCP options", frame4({ ...tcp, options })],
        ["do not fragment", frame4(tcp, { fragment: 0x4000 })],
        ["one VLAN tag", frame4(tcp, {}, [0x8100])],
        ["two VLAN tags", frame4(tcp, {}, [0x88a8, 0x8100])],
        ["IPv6 and TCP", frame6(tcp)],
        ["IPv6 in two VLAN tags", frame6(tcp, {}, [0x8100, 0x8100])],
        ["hop-by-hop options", frame6(tcp, { extensions: [hopByHop] })],
        ["destination options of 16 bytes", frame6(tcp, { extensions: [long] })],
        ["an authentication header", frame6(tcp, { extensions: [authentication] })],
        ["a fragment header of a whole packet", frame6(tcp, { extensions: [wholeFragment] })],
        [
          "six extension headers",
          frame6(tcp, { extensions: [hopByHop, long, routing, long, authentication, long] }),
        ],
        ["padding of a short frame", Uint8Array.from([...frame4(tcp), 0, 0, 0, 0, 0, 0])],
        ["the largest frame", frame4({ ...tcp, payload: Array<number>(3408 - 54).fill(7) })],
      ])("counts %s", (_name, frame) => {
        expect(pass(frame)).toBe("parsed");
        expect(table.counters(port)).toMatchObject({ packets: 1, bytes: frame.length, syns: 0 });
      });

      const seven = Array.from({ length: 7 }, () => routing);
      const bad4 = (ip: Ip4): Uint8Array => frame4(tcp, ip);
      const bad6 = (ip: Ip6): Uint8Array => frame6(tcp, ip);
      it.each<[string, Uint8Array, UnparsedReason]>([
        ["ARP", ethernet(Array<number>(46).fill(0), 0x0806), "not_ip"],
        ["a third VLAN tag", frame4(tcp, {}, [0x8100, 0x8100, 0x8100]), "not_ip"],
        ["a tag and nothing more", ethernet([], 0x8100), "short_ethernet"],
        ["version 5", bad4({ version: 5 }), "bad_ip4"],
        ["a header of four words", bad4({ words: 4 }), "bad_ip4"],
        ["a length beyond the frame", bad4({ totalLength: 41 }), "bad_ip4"],
        ["a length below the header", bad4({ totalLength: 19 }), "bad_ip4"],
        ["a length of 0", bad4({ totalLength: 0 }), "bad_ip4"],
        ["a first fragment", bad4({ fragment: 0x2000 }), "fragment"],
        ["a later fragment", bad4({ fragment: 0x0001 }), "fragment"],
        ["ICMP", bad4({ protocol: 1 }), "other_protocol"],
        ["IPv6 of version 4", bad6({ version: 4 }), "bad_ip6"],
        ["an IPv6 length beyond the frame", bad6({ payloadLength: 21 }), "bad_ip6"],
        ["a first IPv6 fragment", bad6({ extensions: [firstFragment] }), "fragment"],
        ["a later IPv6 fragment", bad6({ extensions: [hopByHop, laterFragment] }), "fragment"],
        ["ICMPv6", bad6({ protocol: 58 }), "other_protocol"],
        ["no next header", bad6({ protocol: 59 }), "other_protocol"],
        ["seven extension headers", bad6({ extensions: seven }), "extensions"],
        [
          "an extension header beyond the packet",
          bad6({ extensions: [[60, [200, 0, 0, 0, 0, 0, 0]]] }),
          "extensions",
        ],
        ["a TCP header of four words", frame4({ ...tcp, dataOffset: 4 }), "bad_tcp"],
        ["a TCP header beyond the packet", frame4({ ...tcp, dataOffset: 6 }), "bad_tcp"],
        ["a TCP header cut by the IP length", bad4({ totalLength: 39 }), "short_tcp"],
        ["a UDP length beyond the packet", frame4({ ...udp, length: 12 }), "bad_udp"],
        ["a UDP length below its header", frame4({ ...udp, length: 7 }), "bad_udp"],
        ["a UDP header cut by the IP length", frame4(udp, { totalLength: 27 }), "short_udp"],
      ])("passes %s and says why", (_name, frame, reason) => {
        expect(pass(frame)).toBe(reason);
        expect(hits()).toBe(0);
      });

      it("passes every frame cut at any length, and counts a port only where the headers are whole", () => {
        const whole = [
          frame4({ ...tcp, payload: [1, 2, 3, 4] }),
          frame4(udp, { options }),
          frame4(tcp, {}, [0x88a8, 0x8100]),
          frame6(tcp, { extensions: [hopByHop, authentication] }),
          frame6(udp, {}, [0x8100]),
        ];
        for (const frame of whole) {
          // The kernel takes no frame below an Ethernet header.
          for (let length = 14; length < frame.length; length++)
            expect(pass(frame.slice(0, length))).not.toBe("parsed");
          expect(pass(frame)).toBe("parsed");
        }
        expect(hits()).toBe(3); // The other two are UDP, and the port is a TCP function's.
      });

      it("passes any bytes unchanged", () => {
        fc.assert(
          fc.property(
            fc.constantFrom(0x0800, 0x86dd, 0x8100, 0x88a8, 0x0806),
            fc.uint8Array({ minLength: 0, maxLength: 200 }),
            (type, bytes) => {
              expect(pass(ethernet([...bytes], type))).toMatch(/^[a-z0-9_]+$/);
            },
          ),
          { numRuns: 500 },
        );
      });

      it("passes any damage of a good packet, and never counts more than one packet", () => {
        const frames = [
          frame4({ ...tcp, options }, { options }),
          frame6(tcp, { extensions: [hopByHop, long] }),
        ];
        fc.assert(
          fc.property(fc.constantFrom(...frames), fc.nat(200), fc.nat(255), (frame, at, value) => {
            const damaged = frame.slice();
            damaged[12 + (at % (frame.length - 12))] = value;
            const before = hits();
            pass(damaged);
            expect(hits() - before).toBeLessThanOrEqual(1);
          }),
          { numRuns: 500 },
        );
      });
    });

    describe("ports", () => {
      ownProgram();

      it.each([0, 1, 65_535])("counts port %i", (number) => {
        table.declare(number, { protocol: "tcp", maxConnectionsPerSecond: null });
        pass(frame4({ protocol: "tcp", to: number }));
        expect(table.counters(number)?.packets).toBe(1);
      });

      it("counts ports that nobody has declared together", () => {
        pass(frame4({ protocol: "tcp", to: 9 }));
        pass(frame4({ protocol: "udp", to: 65_000 }));
        expect(hits()).toBe(0);
        expect(table.otherCounters().packets).toBe(2);
        expect(table.counters(9)).toBeNull();
      });

      it("does not count the other protocol's packets on the same number", () => {
        pass(frame4(udp));
        expect(hits()).toBe(0);
        table.declare(port, { protocol: "udp", maxConnectionsPerSecond: null });
        pass(frame4(udp));
        pass(frame6(udp));
        pass(frame4(tcp));
        expect(hits()).toBe(2);
      });

      it("begins to count anew when a port is declared again", () => {
        pass(frame4(tcp));
        table.release(port);
        pass(frame4(tcp));
        expect(table.counters(port)).toBeNull();
        table.declare(port, { protocol: "tcp", maxConnectionsPerSecond: null });
        expect(hits()).toBe(0);
        pass(frame4(tcp));
        expect(hits()).toBe(1);
      });

      it("passes packets for an owner on this host", () => {
        for (const address of ["127.0.0.1", "127.9.9.9", "0.0.0.0"]) {
          map.set(port, { pid: 1, address });
          expect(pass(frame4(tcp))).toBe("parsed");
        }
        expect(table.counters(port)).toMatchObject({ packets: 3, redirected: 0 });
      });
    });

    describe("flags", () => {
      shareProgram();

      const combinations = Array.from({ length: 32 }, (_, flags) => flags);

      it.each(combinations)("flags %i: a SYN is one without ACK", (flags) => {
        pass(frame4({ ...tcp, flags }));
        const isSyn = (flags & tcpFlags.syn) !== 0 && (flags & tcpFlags.ack) === 0;
        expect(table.counters(port)).toMatchObject({ packets: 1, syns: isSyn ? 1 : 0 });
      });
    });

    describe("SYNs", () => {
      ownProgram();

      const syn: Transport = { ...tcp, flags: tcpFlags.syn };

      it("over the limit they are dropped, and no other packet is", () => {
        table.declare(port, { protocol: "tcp", maxConnectionsPerSecond: 5 });
        const verdicts = Array.from({ length: 12 }, () => program.run(frame4(syn)).verdict);
        expect(verdicts.slice(0, 5)).toEqual(Array(5).fill(xdpVerdict.pass));
        const dropped = verdicts.filter((verdict) => verdict === xdpVerdict.drop).length;
        expect(dropped).toBeGreaterThan(0);
        expect(table.counters(port)).toMatchObject({ packets: 12, syns: 12, synsDropped: dropped });
        expect(onInterface().dropped).toBe(dropped);
        expect(program.run(frame4(tcp)).verdict).toBe(xdpVerdict.pass);
        expect(program.run(frame4({ ...tcp, flags: tcpFlags.syn | tcpFlags.ack })).verdict).toBe(
          xdpVerdict.pass,
        );
        table.declare(port, { protocol: "tcp", maxConnectionsPerSecond: null });
        expect(program.run(frame4(syn)).verdict).toBe(xdpVerdict.pass);
      });

      interface Report {
        readonly port: number;
        readonly family: number;
        readonly source: readonly number[];
      }

      function reports(ring: BpfRing): Report[] {
        const found: Report[] = [];
        ring.drain((record) =>
          found.push({
            port: record.getUint16(24, true),
            family: record.getUint8(26),
            source: Array.from({ length: 16 }, (_, index) => record.getUint8(8 + index)),
          }),
        );
        return found;
      }

      it("are reported while the port sleeps, with their source, and four at once at the most", () => {
        using ring = new BpfRing(object.map("syn_events"));
        pass(frame4(syn));
        expect(reports(ring)).toEqual([]);
        table.reportSyns(port, true);
        pass(frame4(tcp)); // no SYN
        pass(frame4({ protocol: "tcp", to: 9, flags: tcpFlags.syn })); // nobody's
        pass(frame4(syn));
        pass(frame6(syn));
        for (let count = 0; count < 20; count++) pass(frame4(syn));
        const [first, second, ...rest] = reports(ring);
        expect(first).toMatchObject({ port, family: 2 });
        expect(first?.source.slice(0, 4)).toEqual([10, 0, 0, 1]);
        expect(second).toMatchObject({ port, family: 10 });
        expect(second?.source.slice(0, 2)).toEqual([0xfd, 0]);
        expect(rest.length).toBe(2);
        expect(table.counters(port)?.synsReported).toBe(4);
        table.reportSyns(port, false);
        pass(frame4(syn));
        expect(reports(ring)).toEqual([]);
      });

      it("the ring of reports goes round without losing or inventing one", () => {
        using ring = new BpfRing(object.map("syn_events"));
        // 40 bytes a record: 64 KiB are gone round three times.
        for (let batch = 0; batch < 50; batch++) {
          for (let index = 0; index < 100; index++) {
            const number = 10_000 + index;
            table.release(number);
            table.declare(number, { protocol: "tcp", maxConnectionsPerSecond: null });
            table.reportSyns(number, true);
            program.run(frame4({ protocol: "tcp", to: number, flags: tcpFlags.syn }));
          }
          expect(reports(ring).map((report) => report.port)).toEqual(
            Array.from({ length: 100 }, (_, index) => 10_000 + index),
          );
        }
      });
    });

    describe("what an instance sends", () => {
      const instance = "10.9.9.9";
      const localSource = "10.9.9.2";

      ownProgram();

      const verdictOf = (ends: Partial<Ip4>): number =>
        object.program("aether_replies").run(frame4({ protocol: "tcp", from: port, to: 50_000 }, ends))
          .verdict;

      beforeEach(() => {
        const value = new Uint8Array(structs.neighbour.size);
        const { fields } = structs.neighbour;
        // BPF_PROG_RUN gives frames to loopback.
        new DataView(value.buffer).setUint32(fields.ifindex, 1, true);
        new DataView(value.buffer).setUint32(fields.local_source, packAddress(localSource), true);
        const key = new Uint8Array(new Uint32Array([packAddress(instance)]).buffer);
        object.map("neighbours").update(key, value);
      });

      it("goes on to wherever it likes", () => {
        expect(verdictOf({ source: instance, target: "192.0.2.1" })).toBe(xdpVerdict.pass);
      });

      it("is dropped when only a made-up packet looks so: from or to this machine's loopback", () => {
        expect(verdictOf({ source: instance, target: "127.0.0.1" })).toBe(xdpVerdict.drop);
        expect(verdictOf({ source: "127.0.0.1", target: "192.0.2.1" })).toBe(xdpVerdict.drop);
        const fragment = frame4(
          { protocol: "tcp", from: port, to: 50_000 },
          { source: instance, target: "127.0.0.1", fragment: 0x2000 },
        );
        expect(object.program("aether_replies").run(fragment).verdict).toBe(xdpVerdict.drop);
      });

      it("is dropped where an answer has no way back", () => {
        expect(verdictOf({ source: instance, target: localSource })).toBe(xdpVerdict.drop);
      });
    });

    describe("other hosts", () => {
      ownProgram();

      it("what is not IPv4 or is tagged is never sent elsewhere", () => {
        map.set(port, { pid: 1, address: "10.9.9.9" });
        const syn: Transport = { ...tcp, flags: tcpFlags.syn };
        for (const frame of [frame6(syn), frame4(syn, {}, [0x8100]), frame4(syn, { ttl: 1 }), frame4(tcp)])
          expect(pass(frame)).toBe("parsed");
        expect(table.counters(port)?.redirected).toBe(0);
      });

      it("rewrites a packet of another address, checksums included, where no route leads there", () => {
        map.set(port, { pid: 1, address: "203.0.113.9" });
        for (const inner of [{ ...tcp, flags: tcpFlags.syn }, udp]) {
          table.declare(port, { protocol: inner.protocol, maxConnectionsPerSecond: null });
          const { verdict, data } = program.run(frame4(inner, { options: inner === udp ? options : [] }));
          // The machine that runs this may have a route there, or none: the packet is the same but for its MAC addresses.
          expect([xdpVerdict.pass, xdpVerdict.redirect]).toContain(verdict);
          if (verdict === xdpVerdict.redirect) continue;
          const expected = ip4({ target: "203.0.113.9", options: inner === udp ? options : [] }, inner);
          expect(data.slice(14)).toEqual(Uint8Array.from(expected));
        }
      });
    });
  },
);
