/** The log store's lines, written to one rotating file per function. */
import { join } from "node:path";
import type { LogLine } from "../../protocol/control.ts";
import type { LogStore } from "./log-store.ts";
import { RotatingFile } from "./rotating-file.ts";

export interface LogFilesOptions {
  readonly store: LogStore;
  /** `enginePaths(name).logDir`. */
  readonly directory: string;
  readonly onNotice: (functionId: string, text: string) => void;
}

/** Follows the store until closed. Ids are safe as file names: the config's schema sees to it. */
export class LogFiles {
  readonly #options: LogFilesOptions;
  readonly #files = new Map<string, RotatingFile>();
  readonly #unsubscribe: () => void;

  constructor(options: LogFilesOptions) {
    this.#options = options;
    this.#unsubscribe = options.store.subscribe((lines) => this.#write(lines));
  }

  async close(): Promise<void> {
    this.#options.store.flush();
    this.#unsubscribe();
    await Promise.all([...this.#files.values()].map((file) => file.close()));
    this.#files.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #write(lines: readonly LogLine[]): void {
    const texts = new Map<string, string>();
    for (const line of lines) {
      const text = `${new Date(line.atMs).toISOString()} ${line.stream} ${line.text}\n`;
      texts.set(line.functionId, (texts.get(line.functionId) ?? "") + text);
    }
    for (const [functionId, text] of texts) this.#file(functionId).write(text);
  }

  #file(functionId: string): RotatingFile {
    let file = this.#files.get(functionId);
    if (file === undefined) {
      file = new RotatingFile({
        path: join(this.#options.directory, `${functionId}.log`),
        onNotice: (text) => this.#options.onNotice(functionId, text),
      });
      this.#files.set(functionId, file);
    }
    return file;
  }
}
