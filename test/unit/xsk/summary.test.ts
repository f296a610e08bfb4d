import { describe, expect, it } from "vitest";
import { portFilter } from "../../../src/ffi/port-filter.ts";
import { parseAddress } from "../../../src/ffi/xsk/packet/address.ts";
import { summarizePacket } from "../../../src/ffi/xsk/packet/summary.ts";
import { readPcap, writePcap } from "../../../src/ffi/xsk/pcap.ts";
import {
  arpRequest,
  echoRequest,
  ipv6UdpFrame,
  plainFrame,
  tcpFrame,
  udpFrame,
} from "../../helpers/frames.ts";

describe("a packet in one line", () => {
  it.each<[string, Uint8Array]>([
    ["10.1.0.1:40000 > 10.1.0.2:80 TCP [S.] seq 1 ack 0 win 65535, 2 bytes", tcpFrame(80, 0x12, [1, 2])],
    ["vlan 5 10.1.0.1:40000 > 10.1.0.2:7 UDP 3 bytes", udpFrame(7, [1, 2, 3], { vlans: [5], padTo: 64 })],
    ["10.1.0.1:40000 > 10.1.0.2:7 UDP 1 bytes, fragment", udpFrame(7, [1], { fragment: 0x2000 })],
    ["10.1.0.1 > 10.1.0.2 protocol 17, 43 bytes, fragment", udpFrame(7, [1], { fragment: 1 })],
    ["10.1.0.1 > 10.1.0.2 ICMP echo request id 4386 seq 3", echoRequest(3, [])],
    ["ARP who has 10.1.0.2? tell 10.1.0.1", arpRequest("10.1.0.2")],
    [
      "[fd00::1]:40000 > [fd00::2]:53 UDP 2 bytes",
      ipv6UdpFrame(53, [1, 2], parseAddress("fd00::2") ?? new Uint8Array()),
    ],
    ["02:00:00:00:00:0b > 02:00:00:00:00:0a 0x88b5, 60 bytes", plainFrame(1)],
    ["02:00:00:00:00:0a > 02:00:00:00:00:0b broken or cut IP, 30 bytes", udpFrame(7, []).slice(0, 30)],
    ["5 bytes, too short for Ethernet", new Uint8Array(5)],
  ])("%s", (line, bytes) => {
    expect(summarizePacket(bytes)).toBe(line);
  });
});

/** The machine of classic BPF (Documentation/networking/filter.rst), as far as the program needs it. */
function matches(program: Uint8Array, packet: Uint8Array): boolean {
  const code = new DataView(program.buffer);
  const bytes = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  let [a, x] = [0, 0];
  try {
    for (let at = 0; at * 8 < program.length; at++) {
      const operand = code.getUint32(at * 8 + 4, true);
      const jump = (so: boolean): void => void (at += code.getUint8(at * 8 + (so ? 2 : 3)));
      switch (code.getUint16(at * 8, true)) {
        case 0x28:
          a = bytes.getUint16(operand);
          break;
        case 0x30:
          a = bytes.getUint8(operand);
          break;
        case 0x48:
          a = bytes.getUint16(operand + x);
          break;
        case 0xb1:
          x = (bytes.getUint8(operand) & 0x0f) * 4;
          break;
        case 0x15:
          jump(a === operand);
          break;
        case 0x45:
          jump((a & operand) !== 0);
          break;
        case 0x06:
          return operand > 0;
        default:
          throw new Error("an instruction that the test does not know");
      }
    }
  } catch (error) {
    // Outside of the packet: the kernel ends the program with "no".
    if (error instanceof RangeError) return false;
    throw error;
  }
  throw new Error("the program has no end");
}

describe("the tap's filter by port", () => {
  const six = parseAddress("fd00::2") ?? new Uint8Array();
  it.each<[string, boolean, Uint8Array]>([
    ["TCP to it", true, tcpFrame(7007, 2)],
    ["TCP to another", false, tcpFrame(7008, 2)],
    ["TCP behind options", true, tcpFrame(7007, 2, [], { options: 10 })],
    ["UDP to it", true, udpFrame(7007, [1])],
    [
      "UDP from it",
      true,
      udpFrame(9, [1])
        .with(34, 7007 >> 8)
        .with(35, 7007 & 0xff),
    ],
    ["UDP over IPv6", true, ipv6UdpFrame(7007, [1], six)],
    ["UDP over IPv6 to another", false, ipv6UdpFrame(7008, [1], six)],
    ["a first fragment", true, udpFrame(7007, [1], { fragment: 0x2000 })],
    ["a later fragment", false, udpFrame(7007, [1], { fragment: 0x0010 })],
    ["ICMP", false, echoRequest(1, [1])],
    ["ARP", false, arpRequest("10.1.0.2")],
    ["a packet that is cut off", false, tcpFrame(7007, 2).slice(0, 34)],
  ])("%s: %s", (_name, expected, packet) => {
    expect(matches(portFilter(7007), packet)).toBe(expected);
  });
});

describe("pcap files", () => {
  const packets = [1, 2].map((number) => ({
    atNs: 1_700_000_000_000_000_000n + BigInt(number),
    bytes: plainFrame(number),
    lengthBytes: 60 + number,
  }));

  it("are read as they were written, without a last packet that is cut off", () => {
    const file = writePcap(packets);
    expect(readPcap(file)).toEqual(packets);
    expect(readPcap(file.slice(0, -1))).toEqual(packets.slice(0, 1));
    expect(readPcap(file.slice(0, 24))).toEqual([]);
  });

  it("of the other byte order, with microseconds", () => {
    const file = new DataView(new ArrayBuffer(24 + 16 + 2));
    file.setUint32(0, 0xa1b2_c3d4);
    file.setUint32(20, 1);
    file.setUint32(24, 5);
    file.setUint32(28, 7);
    file.setUint32(32, 2);
    file.setUint32(36, 90);
    expect(readPcap(new Uint8Array(file.buffer))).toEqual([
      { atNs: 5_000_007_000n, bytes: new Uint8Array(2), lengthBytes: 90 },
    ]);
  });

  it("of other kinds are refused", () => {
    expect(() => readPcap(new Uint8Array(10))).toThrow("too short");
    expect(() => readPcap(new Uint8Array(100))).toThrow("pcapng");
    const file = writePcap([]);
    file[20] = 113;
    expect(() => readPcap(file)).toThrow("link type 113");
  });
});
