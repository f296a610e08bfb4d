/** A classic BPF program (Documentation/networking/filter.rst): TCP and UDP, over IPv4 and IPv6, from or to a port. */

/** Codes: load half a word or a byte from a place, or from behind the IPv4 header; jump if equal, or if bits are set; end. */
const code = {
  half: 0x28,
  byte: 0x30,
  halfBehind: 0x48,
  headerLength: 0xb1,
  equal: 0x15,
  set: 0x45,
  end: 0x06,
};

/** As many bytes of a packet that matches are kept. */
const keep = 0x4_0000;

interface Instruction {
  readonly name?: string;
  readonly code: number;
  readonly operand: number;
  /** Where to go on, by name; the next instruction without. */
  readonly so?: string;
  readonly not?: string;
}

function instructions(port: number): Instruction[] {
  return [
    { code: code.half, operand: 12 },
    { code: code.equal, operand: 0x86dd, not: "ipv4" },
    { code: code.byte, operand: 20 },
    { code: code.equal, operand: 6, so: "ports6" },
    { code: code.equal, operand: 17, not: "no" },
    { name: "ports6", code: code.half, operand: 54 },
    { code: code.equal, operand: port, so: "yes" },
    { code: code.half, operand: 56 },
    { code: code.equal, operand: port, so: "yes", not: "no" },
    { name: "ipv4", code: code.equal, operand: 0x0800, not: "no" },
    { code: code.byte, operand: 23 },
    { code: code.equal, operand: 6, so: "whole" },
    { code: code.equal, operand: 17, not: "no" },
    { name: "whole", code: code.half, operand: 20 },
    // Bytes of a later fragment are no ports.
    { code: code.set, operand: 0x1fff, so: "no" },
    { code: code.headerLength, operand: 14 },
    { code: code.halfBehind, operand: 14 },
    { code: code.equal, operand: port, so: "yes" },
    { code: code.halfBehind, operand: 16 },
    { code: code.equal, operand: port, not: "no" },
    { name: "yes", code: code.end, operand: keep },
    { name: "no", code: code.end, operand: 0 },
  ];
}

/** Eight bytes an instruction (`struct sock_filter`); a jump counts those between. */
export function portFilter(port: number): Uint8Array {
  const program = instructions(port);
  const jump = (from: number, to: string | undefined): number =>
    to === undefined ? 0 : program.findIndex(({ name }) => name === to) - from - 1;
  const bytes = new DataView(new ArrayBuffer(program.length * 8));
  for (const [at, { code, operand, so, not }] of program.entries()) {
    bytes.setUint16(at * 8, code, true);
    bytes.setUint8(at * 8 + 2, jump(at, so));
    bytes.setUint8(at * 8 + 3, jump(at, not));
    bytes.setUint32(at * 8 + 4, operand, true);
  }
  return new Uint8Array(bytes.buffer);
}
