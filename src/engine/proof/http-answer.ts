/** The bytes of an answer as what an HTTP client makes of them: status, headers, body (RFC 9112). */

export interface HttpAnswer {
  readonly status: number;
  /** Names in small letters; a name that comes several times has its values in their order. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  /** Without the framing of chunks: where a server cuts them says nothing. */
  readonly body: Buffer;
}

const statusLine = /^HTTP\/1\.[01] (\d{3})(?: |$)/;
const headerLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/;
const chunkLine = /^([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?$/;
const endOfHead = Buffer.from("\r\n\r\n");
const endOfLine = Buffer.from("\r\n");

/** `null` for what is no HTTP/1 answer; its bytes can still be compared as they are. */
export function parseAnswer(bytes: Buffer): HttpAnswer | null {
  const headEnd = bytes.indexOf(endOfHead);
  if (headEnd < 0) return null;
  const [first = "", ...lines] = bytes.subarray(0, headEnd).toString("latin1").split("\r\n");
  const status = Number(statusLine.exec(first)?.[1] ?? Number.NaN);
  if (!Number.isInteger(status)) return null;
  const rest = bytes.subarray(headEnd + endOfHead.length);
  // An interim answer (100, 103) comes before the one that counts.
  if (status < 200 && status !== 101) return parseAnswer(rest);
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const [, name, value] = headerLine.exec(line) ?? [];
    if (name === undefined || value === undefined) return null;
    const key = name.toLowerCase();
    headers.set(key, [...(headers.get(key) ?? []), value]);
  }
  const chunked = headers.get("transfer-encoding")?.at(-1)?.toLowerCase().endsWith("chunked") === true;
  return { status, headers, body: chunked ? unchunk(rest) : rest };
}

/** What of a chunked body can be read; one that is cut short ends where it was cut. */
function unchunk(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = bytes.indexOf(endOfLine, at);
    if (lineEnd < 0) break;
    const size = chunkLine.exec(bytes.subarray(at, lineEnd).toString("latin1"))?.[1];
    if (size === undefined) break;
    const length = Number.parseInt(size, 16);
    if (length === 0) break;
    const start = lineEnd + endOfLine.length;
    parts.push(bytes.subarray(start, start + length));
    at = start + length + endOfLine.length;
  }
  return Buffer.concat(parts);
}
