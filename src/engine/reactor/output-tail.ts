/** The last lines of a function's output, for errors: a few kilobytes, kept where the output arrives. */
const tailBytes = 8_192;
const tailLines = 20;

export class OutputTail {
  #text = "";

  add(chunk: Uint8Array): void {
    this.#text = (this.#text + Buffer.from(chunk).toString("utf8")).slice(-tailBytes);
  }

  /** The last lines that are not empty. */
  lines(): readonly string[] {
    return this.#text
      .split("\n")
      .map((line) => line.trimEnd())
      .filter((line) => line !== "")
      .slice(-tailLines);
  }

  clear(): void {
    this.#text = "";
  }
}
