/** What `aether init` writes. */
import { fileURLToPath } from "node:url";
import { assertNever } from "../protocol/errors.ts";

export type HandlerLanguage = "python" | "node";

export interface InitFile {
  readonly name: string;
  readonly text: string;
}

export function initFiles(language: HandlerLanguage): readonly InitFile[] {
  switch (language) {
    case "python":
      return [
        { name: "aether.yaml", text: config("python3 hello.py") },
        { name: "hello.py", text: pythonHandler },
      ];
    case "node":
      return [
        { name: "aether.yaml", text: config("node hello.mjs") },
        { name: "hello.mjs", text: nodeHandler },
      ];
    default:
      return assertNever(language);
  }
}

/** Editors with a YAML language server complete and check the file by it. */
const schema = fileURLToPath(new URL("../../schema/aether.schema.json", import.meta.url));

const config = (command: string): string => `# yaml-language-server: $schema=${schema}
version: 1

functions:
  # A server process. It sleeps as a snapshot and wakes when a client connects: curl localhost:8080/
  - id: hello
    command: ${command}
    trigger_port: 8080
    # Without open connections: frozen after 30 s, a snapshot in memory after 5 min.
    idle: { suspend_after: 30s, snapshot_after: 5m }
    # What a restore may take; one that takes longer is still served here, counted and shown. "fail" refuses it.
    restore_budget_ms: 50
    on_violation: serve
`;

const pythonHandler = `"""Says READY to Aether, then binds its port and serves."""

import http.server
import os
import socket

hits = 0


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global hits
        hits += 1  # memory survives sleep
        body = f"hello, request {hits}\\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


with socket.socket(socket.AF_UNIX) as handshake:
    handshake.connect(os.environ["AETHER_SOCKET"])
    handshake.sendall(b"READY")

port = int(os.environ["AETHER_TRIGGER_PORT"])
http.server.HTTPServer(("0.0.0.0", port), Hello).serve_forever()
`;

const nodeHandler = `// Says READY to Aether, then binds its port and serves.
import { createServer } from "node:http";
import { connect } from "node:net";

let hits = 0;

const server = createServer((_request, response) => {
  hits += 1; // memory survives sleep
  response.setHeader("Content-Type", "text/plain");
  response.end(\`hello, request \${hits}\\n\`);
});

const handshake = connect(process.env.AETHER_SOCKET);
handshake.end("READY", () => {
  server.listen(Number(process.env.AETHER_TRIGGER_PORT), "0.0.0.0");
});
`;
