/** Copying: by the desktop's tool where there is a desktop, else by OSC 52 through the terminal, which also works over ssh. */
import { spawn } from "node:child_process";

/** Terminals refuse more; k9s uses the same cap. */
const maxOsc52Bytes = 74_994;
const toolTimeoutMs = 1_000;

type Environment = Readonly<Record<string, string | undefined>>;

const ways = ["auto", "native", "osc52"] as const;

/** `AETHER_CLIPBOARD` narrows how text is copied; anything else than these words counts as `auto`. */
function clipboardWay(env: Environment): (typeof ways)[number] {
  return ways.find((way) => way === env["AETHER_CLIPBOARD"]) ?? "auto";
}

/** Tools to try, the most fitting first. */
export function clipboardTools(
  env: Environment,
  platform: NodeJS.Platform,
): readonly (readonly [string, ...string[]])[] {
  if (platform === "darwin") return [["pbcopy"]];
  return [
    ...(env["WAYLAND_DISPLAY"] === undefined ? [] : [["wl-copy"] as const]),
    ...(env["DISPLAY"] === undefined ? [] : [["xclip", "-selection", "clipboard"] as const]),
  ];
}

/** The sequence that hands text to the terminal; `null` where it is too long. tmux passes it on when wrapped. */
export function osc52(text: string, env: Environment): string | null {
  const encoded = Buffer.from(text, "utf8").toString("base64");
  if (encoded.length > maxOsc52Bytes) return null;
  const sequence = `\u001b]52;c;${encoded}\u0007`;
  return env["TMUX"] === undefined ? sequence : `\u001bPtmux;\u001b${sequence}\u001b\\`;
}

function pipeTo(command: readonly [string, ...string[]], text: string): Promise<boolean> {
  const [program, ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ["pipe", "ignore", "ignore"], timeout: toolTimeoutMs });
    child.once("error", () => resolve(false));
    child.once("exit", (code) => resolve(code === 0));
    // A tool that ends before it has read everything is judged by its exit code.
    child.stdin.once("error", () => undefined);
    child.stdin.end(text);
  });
}

export interface CopyResult {
  readonly ok: boolean;
  readonly how: string;
}

/** Copies text; `write` reaches the terminal. */
export async function copyText(
  text: string,
  env: Environment,
  write: (sequence: string) => void,
): Promise<CopyResult> {
  const way = clipboardWay(env);
  const tools = way === "osc52" ? [] : clipboardTools(env, process.platform);
  for (const tool of tools) {
    if (await pipeTo(tool, text)) return { ok: true, how: tool[0] };
  }
  if (way === "native") return { ok: false, how: "no tool of the desktop took it (AETHER_CLIPBOARD=native)" };
  const sequence = osc52(text, env);
  if (sequence === null) return { ok: false, how: "too long for the terminal" };
  write(sequence);
  return { ok: true, how: "the terminal (OSC 52)" };
}
