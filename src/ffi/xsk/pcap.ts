/** Capture files in the format of libpcap (draft-ietf-opsawg-pcap), with nanoseconds, of Ethernet packets. */

const magicNanoseconds = 0xa1b2_3c4d;
const magicMicroseconds = 0xa1b2_c3d4;
const linkTypeEthernet = 1;
const headerBytes = 24;
const recordHeaderBytes = 16;

/** As many bytes of a packet are kept at most: tcpdump's default. */
export const snapshotBytes = 262_144;

export interface CapturedPacket {
  /** Nanoseconds since 1970. */
  readonly atNs: bigint;
  readonly bytes: Uint8Array;
  /** Of the whole packet; more than `bytes` holds when it was cut. */
  readonly lengthBytes: number;
}

/** Starts a file. */
export function pcapHeader(): Uint8Array {
  const view = new DataView(new ArrayBuffer(headerBytes));
  view.setUint32(0, magicNanoseconds, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, snapshotBytes, true);
  view.setUint32(20, linkTypeEthernet, true);
  return new Uint8Array(view.buffer);
}

/** One packet, to be appended. */
export function pcapRecord({ atNs, bytes, lengthBytes }: CapturedPacket): Uint8Array {
  const record = new Uint8Array(recordHeaderBytes + bytes.length);
  const view = new DataView(record.buffer);
  view.setUint32(0, Number(atNs / 1_000_000_000n), true);
  view.setUint32(4, Number(atNs % 1_000_000_000n), true);
  view.setUint32(8, bytes.length, true);
  view.setUint32(12, lengthBytes, true);
  record.set(bytes, recordHeaderBytes);
  return record;
}

/** A whole file. */
export function writePcap(packets: Iterable<CapturedPacket>): Uint8Array {
  return new Uint8Array(Buffer.concat([pcapHeader(), ...Array.from(packets, pcapRecord)]));
}

/**
 * Reads a file, of either byte order and either unit of time. Packets after a cut end are left out.
 * @throws RangeError when it is no pcap file of Ethernet packets
 */
export function readPcap(file: Uint8Array): CapturedPacket[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < headerBytes) throw new RangeError("no pcap file: too short");
  const little = [magicNanoseconds, magicMicroseconds].includes(view.getUint32(0, true));
  const magic = view.getUint32(0, little);
  if (magic !== magicNanoseconds && magic !== magicMicroseconds)
    throw new RangeError("no pcap file (pcapng is another format)");
  const linkType = view.getUint32(20, little) & 0x0fff_ffff;
  if (linkType !== linkTypeEthernet)
    throw new RangeError(`a pcap file of link type ${linkType}, not Ethernet`);
  const perUnit = magic === magicNanoseconds ? 1n : 1000n;
  const packets: CapturedPacket[] = [];
  for (let at = headerBytes; at + recordHeaderBytes <= file.length;) {
    const captured = view.getUint32(at + 8, little);
    if (at + recordHeaderBytes + captured > file.length) break;
    const seconds = BigInt(view.getUint32(at, little));
    const atNs = seconds * 1_000_000_000n + BigInt(view.getUint32(at + 4, little)) * perUnit;
    const from = at + recordHeaderBytes;
    packets.push({
      atNs,
      // Not slice: that of a Buffer is no copy.
      bytes: new Uint8Array(file.subarray(from, from + captured)),
      lengthBytes: view.getUint32(at + 12, little),
    });
    at = from + captured;
  }
  return packets;
}
