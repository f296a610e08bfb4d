/** The JSON body of a request, within a bound. */
import type { IncomingMessage } from "node:http";
import { AetherError } from "../../protocol/errors.ts";

export const maxBodyBytes = 1024 * 1024;

/** Reads and checks the body of a deploy. Throws AE_USAGE; `data.status` names 413 where the body was too long. */
export async function readDeployFile(request: IncomingMessage): Promise<string> {
  const body = await readJson(request);
  const file = typeof body === "object" && body !== null ? (body as { file?: unknown }).file : undefined;
  if (typeof file !== "string" || !file.startsWith("/") || file.length > 4096 || file.includes("\0")) {
    throw new AetherError("AE_USAGE", "a deploy needs the absolute path of a file", {
      hint: 'Send {"file": "/path/aether.yaml"}.',
    });
  }
  return file;
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes)
      throw new AetherError("AE_USAGE", `the request's body is longer than ${maxBodyBytes} bytes`, {
        data: { status: 413 },
      });
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw new AetherError("AE_USAGE", "the request's body is not JSON");
  }
}
