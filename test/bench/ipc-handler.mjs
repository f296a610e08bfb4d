/** Echoes what it is sent: `ring` through the SDK, `unix` and `http` with Node's own servers. */
import { createServer as createHttp } from "node:http";
import { createServer } from "node:net";
import { serve } from "../../sdk/node/src/index.js";

const [mode, place] = process.argv.slice(2);

/** A length before each message. */
function unix(path) {
  const server = createServer((client) => {
    let held = Buffer.alloc(0);
    client.on("data", (chunk) => {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      while (held.length >= 4) {
        const length = 4 + held.readUInt32LE(0);
        if (held.length < length) break;
        client.write(held.subarray(0, length));
        held = held.subarray(length);
      }
    });
    client.on("close", () => server.close());
  });
  server.listen(path);
}

function http(port) {
  createHttp((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => response.end(Buffer.concat(chunks)));
  }).listen(port, "127.0.0.1");
}

if (mode === "ring") await serve((event) => event, { http: false });
else if (mode === "unix") unix(place);
else http(Number(place));
