/** `aether tap` in a network namespace of the test: what it says, what it writes, and that it takes nothing away. */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const cli = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
const missing = process.getuid?.() === 0 ? null : "no root";
const port = 7007;

/** A connection of each family with data both ways, a datagram to the port and one to another. */
const traffic = `
import socket, threading
def talk(family, host):
    s = socket.socket(family); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind((host, ${port})); s.listen()
    def serve():
        c = s.accept()[0]; data = c.recv(100); c.sendall(data * 100); c.close()
    t = threading.Thread(target=serve); t.start()
    c = socket.create_connection((host, ${port})); c.sendall(b"hello"); got = b""
    while True:
        data = c.recv(65536)
        if not data: break
        got += data
    c.close(); t.join(); s.close()
    assert got == b"hello" * 100
talk(socket.AF_INET, "127.0.0.1"); talk(socket.AF_INET6, "::1")
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.sendto(b"y", ("127.0.0.1", ${port + 1})); u.sendto(b"x" * 30, ("127.0.0.1", ${port}))
`;

/** Reads a pcap file with none of our code: addresses, ports, flags and lengths of every packet. */
const reader = `
import ipaddress, json, struct, sys
f = open(sys.argv[1], "rb").read()
magic, major, minor, zone, sig, snap, link = struct.unpack("<IHHiIII", f[:24])
assert (magic, major, minor, link) == (0xa1b23c4d, 2, 4, 1), (hex(magic), link)
at, out, last = 24, [], 0
while at < len(f):
    sec, nsec, have, length = struct.unpack("<IIII", f[at:at + 16]); p = f[at + 16:at + 16 + have]; at += 16 + have
    assert have == length == len(p) and sec * 10**9 + nsec >= last; last = sec * 10**9 + nsec
    kind = struct.unpack("!H", p[12:14])[0]
    if kind == 0x800: proto, src, dst, l4, end = p[23], p[26:30], p[30:34], 14 + (p[14] & 15) * 4, 14 + struct.unpack("!H", p[16:18])[0]
    elif kind == 0x86dd: proto, src, dst, l4, end = p[20], p[22:38], p[38:54], 54, 54 + struct.unpack("!H", p[18:20])[0]
    sport, dport = struct.unpack("!HH", p[l4:l4 + 4])
    data = end - l4 - (p[l4 + 12] // 16 * 4 if proto == 6 else 8)
    out.append([last, str(ipaddress.ip_address(src)), sport, str(ipaddress.ip_address(dst)), dport, proto, p[l4 + 13] if proto == 6 else 0, data])
print(json.dumps(out))
`;

describe.skipIf(missing !== null)(`aether tap${missing === null ? "" : ` (skipped: ${missing})`}`, () => {
  const namespace = `aether-tap-${process.pid}`;
  let folder: string;
  let tap: ChildProcessWithoutNullStreams | null = null;
  let out = "";
  let errors = "";

  const inside = (...command: readonly string[]) =>
    spawnSync("ip", ["netns", "exec", namespace, ...command], { encoding: "utf8", timeout: 20_000 });

  /** Starts it and waits until it listens: its packet socket is in /proc/net/packet. */
  async function start(...args: readonly string[]): Promise<{ code: Promise<number | null> }> {
    const child = spawn("ip", ["netns", "exec", namespace, process.execPath, cli, "tap", ...args]);
    tap = child;
    child.stdout.on("data", (data) => (out += data));
    child.stderr.on("data", (data) => (errors += data));
    const code = new Promise<number | null>((resolve) => child.once("close", resolve));
    await expect
      .poll(() => inside("cat", "/proc/net/packet").stdout.trim().split("\n").length, { timeout: 20_000 })
      .toBe(2);
    return { code };
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "aether-tap-"));
    [out, errors] = ["", ""];
    expect(spawnSync("ip", ["netns", "add", namespace]).status).toBe(0);
    expect(spawnSync("ip", ["-n", namespace, "link", "set", "lo", "up"]).status).toBe(0);
  });

  afterEach(() => {
    tap?.kill("SIGKILL");
    tap = null;
    spawnSync("ip", ["netns", "del", namespace]);
    rmSync(folder, { recursive: true });
  });

  it("shows and writes what passes on a port, and nothing else", async () => {
    const file = join(folder, "out.pcap");
    const { code } = await start("--port", String(port), "--write", file);
    expect(inside("python3", "-c", traffic)).toMatchObject({ status: 0, stderr: "" });
    await expect.poll(() => out, { timeout: 10_000 }).toContain("UDP 30 bytes");
    tap?.kill("SIGTERM");
    expect(await code).toBe(0);
    const lines = out.trimEnd().split("\n");
    expect(errors.trimEnd()).toBe(`${lines.length} packets`);
    expect(out).not.toContain(String(port + 1));
    for (const line of lines) expect(line).toMatch(/^\d\d:\d\d:\d\d\.\d{6} lo \S+ > \S+ (TCP|UDP) /);
    expect(lines.filter((line) => line.includes("[S]")).length).toBe(2);
    expect(lines.filter((line) => line.includes("[::1]")).length).toBeGreaterThan(5);
    // The file says the same, read by other code.
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const { stdout, stderr } = spawnSync("python3", ["-c", reader, file], { encoding: "utf8" });
    expect(stderr).toBe("");
    type Row = [number, string, number, string, number, number, number, number];
    const rows = (JSON.parse(stdout) as Row[]).map(([, source, from, destination, to, protocol, , data]) => {
      const join = (address: string, at: number): string =>
        address.includes(":") ? `[${address}]:${at}` : `${address}:${at}`;
      return `${join(source, from)} > ${join(destination, to)} ${protocol === 6 ? "TCP" : "UDP"} ${data} bytes`;
    });
    const said = lines.map((line) =>
      line.replace(/^\S+ lo /, "").replace(/ TCP \[.*?\] seq.*, (?=\d+ bytes)/, " TCP "),
    );
    expect(said).toEqual(rows);
  });

  it("ends after so many packets, with one JSON value each", async () => {
    const { code } = await start("--count", "3", "--interface", "lo", "--json");
    inside("python3", "-c", traffic);
    expect(await code).toBe(0);
    const values = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(values.length).toBe(3);
    for (const value of values)
      expect(value).toMatchObject({
        interface: "lo",
        atNs: expect.stringMatching(/^\d{19}$/),
        lengthBytes: expect.any(Number),
      });
    expect(errors).toBe("3 packets\n");
  });

  it("takes nothing from a connection that it watches", async () => {
    const { code } = await start("--port", String(port));
    for (let turn = 0; turn < 3; turn++)
      expect(inside("python3", "-c", traffic)).toMatchObject({ status: 0, stderr: "" });
    tap?.kill("SIGINT");
    expect(await code).toBe(0);
  });

  it("says what is wrong", () => {
    const run = (...args: readonly string[]) => inside(process.execPath, cli, "tap", ...args);
    const none = run("--interface", "none");
    expect(none.status).toBe(2);
    expect(none.stderr).toContain("AE_XSK_NO_DEVICE");
    expect(run("--write", "/nowhere/x.pcap", "--count", "1").stderr).toContain(
      "the capture file /nowhere/x.pcap cannot be written",
    );
    expect(run("--port", "70000").status).toBe(2);
    const less = inside(
      "setpriv",
      "--bounding-set=-net_raw",
      "--inh-caps=-net_raw",
      process.execPath,
      cli,
      "tap",
    );
    expect(less.stderr).toContain("AE_XSK_PERMISSION");
  });
});
