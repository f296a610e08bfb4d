/** Headers, check sums and bounds of packets, against bytes written out by hand. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Lease } from "../../../src/ffi/xsk/lease.ts";
import {
  ipv4Number,
  ipv4Text,
  ipv6Text,
  macText,
  parseAddress,
  parseMac,
} from "../../../src/ffi/xsk/packet/address.ts";
import { adjustChecksum, foldChecksum, sumWords } from "../../../src/ffi/xsk/packet/checksum.ts";
import { PacketView } from "../../../src/ffi/xsk/packet/packet-view.ts";
import {
  arpRequest,
  echoRequest,
  ipv6UdpFrame,
  macA,
  macB,
  tcpFrame,
  udpFrame,
} from "../../helpers/frames.ts";

/** A packet in the middle of a frame of 512 bytes. */
class TestPacket extends PacketView {
  constructor(bytes: Uint8Array) {
    const memory = new DataView(new ArrayBuffer(512));
    new Uint8Array(memory.buffer).set(bytes, 128);
    super(memory, new Lease());
    this.place(128, bytes.length, 0, 512);
  }
  end(): void {
    this.endLease();
  }
}

describe("headers", () => {
  it("of ARP, and its answer", () => {
    const packet = new TestPacket(arpRequest("10.1.0.2"));
    const arp = packet.arp();
    expect(arp?.operation).toBe(1);
    expect(ipv4Text(arp?.targetAddress ?? 0)).toBe("10.1.0.2");
    arp?.answer(new Uint8Array(macB));
    expect([...packet.data.slice(14 + 6)]).toEqual([0, 2, ...macB, 10, 1, 0, 2, ...macA, 10, 1, 0, 1]);
    expect(packet.ipv4()).toBeNull();
    expect(packet.protocol).toBe(-1);
  });

  it("of UDP behind two VLAN tags and IP options, with padding", () => {
    const packet = new TestPacket(udpFrame(7, [1, 2, 3], { vlans: [100, 7], options: 2, padTo: 90 }));
    expect(packet.vlan()?.id).toBe(100);
    expect(packet.etherType).toBe(0x0800);
    expect(packet.ipv4()?.headerBytes).toBe(28);
    expect(packet.udp()?.destinationPort).toBe(7);
    expect([...(packet.payload() ?? [])]).toEqual([1, 2, 3]);
    expect(packet.areChecksumsRight()).toBe(true);
    packet.setU8(packet.length - 30, 99);
  });

  it("of TCP", () => {
    const packet = new TestPacket(tcpFrame(80, 0x12, [65, 66]));
    expect(packet.tcp()).toMatchObject({ destinationPort: 80, sequence: 1, flags: 0x12, headerBytes: 20 });
    expect(Buffer.from(packet.payload() ?? []).toString()).toBe("AB");
    expect(packet.udp()).toBeNull();
    expect(packet.icmp()).toBeNull();
  });

  it("of IPv6", () => {
    const destination = parseAddress("fd00::2") ?? new Uint8Array();
    const packet = new TestPacket(ipv6UdpFrame(53, [9, 8, 7], destination));
    expect(ipv6Text(packet.ipv6()?.destination ?? new Uint8Array())).toBe("fd00::2");
    expect(packet.udp()?.destinationPort).toBe(53);
    expect(packet.areChecksumsRight()).toBe(true);
    packet.ipv6()?.swapAddresses();
    expect(packet.areChecksumsRight()).toBe(true);
    expect(ipv6Text(packet.ipv6()?.source ?? new Uint8Array())).toBe("fd00::2");
  });

  it("an echo turned round keeps right sums", () => {
    const packet = new TestPacket(echoRequest(3, [1, 2, 3, 4, 5]));
    const icmp = packet.icmp();
    if (icmp !== null) icmp.type = 0;
    packet.ipv4()?.swapAddresses();
    packet.ethernet()?.swapAddresses();
    expect(packet.areChecksumsRight()).toBe(true);
    expect(macText(packet.ethernet()?.source ?? new Uint8Array())).toBe("02:00:00:00:00:0b");
    expect(ipv4Text(packet.ipv4()?.source ?? 0)).toBe("10.1.0.2");
  });

  it("ttl and ports change with their sums", () => {
    const packet = new TestPacket(tcpFrame(80, 0x02));
    const ip = packet.ipv4();
    if (ip !== null) ip.ttl -= 1;
    expect(packet.areChecksumsRight()).toBe(true);
    const tcp = packet.tcp();
    if (tcp !== null) tcp.destinationPort = 8080;
    expect(packet.areChecksumsRight()).toBe(false);
    packet.updateChecksums();
    expect(packet.areChecksumsRight()).toBe(true);
  });

  it("later fragments have no ports, whatever their bytes look like", () => {
    const packet = new TestPacket(udpFrame(7, [1], { fragment: 0x0010 }));
    expect(packet.udp()).toBeNull();
    expect(packet.payload()).toBeNull();
    expect(packet.ipv4()?.isFragment).toBe(true);
  });

  it("no bytes whatever make a reader leave the packet", () => {
    const kinds = [udpFrame(7, [1, 2, 3]), tcpFrame(80, 2), echoRequest(1, []), arpRequest("10.1.0.2")];
    const bytes = fc
      .tuple(
        fc.constantFrom(...kinds),
        fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 6 }),
        fc.nat(80),
      )
      .map(([frame, changes, length]) => {
        const copy = frame.slice(0, length);
        for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
        return copy;
      });
    fc.assert(
      fc.property(bytes, (bytes) => {
        const packet = new TestPacket(bytes);
        for (const header of [
          packet.arp(),
          packet.ipv4(),
          packet.ipv6(),
          packet.tcp(),
          packet.udp(),
          packet.icmp(),
        ]) {
          if (header !== null) expect(header.at).toBeLessThan(128 + bytes.length);
        }
        expect(packet.payload()?.length ?? 0).toBeLessThanOrEqual(bytes.length);
        packet.areChecksumsRight();
        const before = new Uint8Array(packet.data);
        packet.updateChecksums();
        // Only bytes of the packet may change.
        expect(packet.data.length).toBe(before.length);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("bounds", () => {
  it("adjustments stay within the frame", () => {
    const packet = new TestPacket(new Uint8Array(60).fill(5));
    expect(packet.adjustHead(-129)).toBe(false);
    expect(packet.adjustHead(-128)).toBe(true);
    expect(packet.length).toBe(188);
    expect(packet.adjustHead(189)).toBe(false);
    expect(packet.adjustHead(128)).toBe(true);
    expect(packet.adjustTail(512 - 128 - 60 + 1)).toBe(false);
    expect(packet.adjustTail(512 - 128 - 60)).toBe(true);
    expect(packet.adjustTail(-packet.length - 1)).toBe(false);
    expect(packet.adjustTail(-packet.length)).toBe(true);
    expect(packet.write(new Uint8Array([1, 2, 3]))).toBe(true);
    expect([...packet.copy()]).toEqual([1, 2, 3]);
    expect(() => packet.u8(3)).toThrow(RangeError);
    expect(() => packet.u16(2)).toThrow(RangeError);
    expect(() => packet.setU32(-1, 0)).toThrow(RangeError);
  });

  it("everything of a packet is stale after its end, the headers too", () => {
    const packet = new TestPacket(udpFrame(7, [1]));
    const udp = packet.udp();
    const ip = packet.ipv4();
    packet.end();
    for (const use of [
      () => packet.length,
      () => packet.data,
      () => packet.u8(0),
      () => packet.udp(),
      () => udp?.destinationPort,
      () => (ip === null ? 0 : (ip.ttl = 1)),
      () => packet.adjustHead(1),
    ])
      expect(use).toThrow("after it was given up");
  });
});

describe("check sums", () => {
  it("by difference are those of the whole", () => {
    const words = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 2, maxLength: 40 });
    fc.assert(
      fc.property(words, fc.nat(39), fc.integer({ min: 0, max: 0xffff }), (words, at, to) => {
        const view = new DataView(new ArrayBuffer(words.length * 2));
        for (const [index, value] of words.entries()) view.setUint16(index * 2, value);
        const index = at % words.length;
        const before = foldChecksum(sumWords(view, 0, view.byteLength));
        view.setUint16(index * 2, to);
        const after = foldChecksum(sumWords(view, 0, view.byteLength));
        const adjusted = adjustChecksum(before, words[index] ?? 0, to);
        // 0 and 0xffff are the same sum; which of them it is differs only for data that is all zero.
        expect(adjusted % 0xffff).toBe(after % 0xffff);
      }),
    );
  });

  it("of an odd number of bytes", () => {
    const packet = new TestPacket(udpFrame(7, [1, 2, 3, 4, 255]));
    expect(packet.areChecksumsRight()).toBe(true);
  });
});

describe("addresses as text", () => {
  it.each(["::", "::1", "fd00::2", "1:2:3:4:5:6:7:8", "1:0:0:2::3", "2001:db8::a:0:0:1", "::ffff:102:304"])(
    "%s",
    (text) => {
      expect(ipv6Text(parseAddress(text) ?? new Uint8Array())).toBe(text);
    },
  );

  it("IPv4 within IPv6, and what is none", () => {
    expect(parseAddress("::ffff:1.2.3.4")).toEqual(parseAddress("1.2.3.4"));
    expect(ipv4Number("10.0.0.2")).toBe(0x0a00_0002);
    expect(ipv4Text(0xffff_fffe)).toBe("255.255.255.254");
    for (const text of ["", "1.2.3", "fe80::1%eth0", "1.2.3.4.5", "x"]) expect(parseAddress(text)).toBeNull();
    expect([...(parseMac("02:00:00:00:00:0a") ?? [])]).toEqual(macA);
    expect(parseMac("02:00:00:00:00")).toBeNull();
  });

  it("any IPv6 address survives", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        expect(parseAddress(ipv6Text(bytes))).toEqual(bytes);
      }),
    );
  });
});
