/**
 * How the console is to look: an option of the command line goes before the environment, the environment before what was
 * chosen last, and that before what the terminal says of itself.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { AetherError } from "../protocol/errors.ts";
import { themeNames } from "../ui/theme/themes.ts";
import type { ThemeName } from "../ui/theme/themes.ts";
import type { GlobalOptions } from "./globals.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface Appearance {
  readonly theme: ThemeName;
  /** Nothing but ASCII. */
  readonly ascii: boolean;
  readonly screenReader: boolean;
  readonly reducedMotion: boolean;
  /** Keeps a theme chosen in the console for the next one. @throws what the file system says */
  readonly remember: (theme: ThemeName) => void;
}

/** Where the last choice is kept. */
export function rememberedPath(env: Environment): string {
  const base = env["XDG_STATE_HOME"] ?? "";
  return join(base === "" ? join(homedir(), ".local", "state") : base, "aether", "console.json");
}

function themeOf(name: string, where: string): ThemeName {
  const theme = themeNames.find((each) => each === name);
  if (theme !== undefined) return theme;
  throw new AetherError("AE_USAGE", `there is no theme ${JSON.stringify(name)}`, {
    why: `it was asked for by ${where}`,
    hint: `There are ${themeNames.join(", ")}.`,
  });
}

/** Set and not one of the words for no. */
const isOn = (value: string | undefined): boolean =>
  value !== undefined && !["", "0", "false", "no", "off"].includes(value.toLowerCase());

/** A locale that is not set says nothing, and terminals of today show UTF-8; one that is set is believed. */
function isLocaleAscii(env: Environment): boolean {
  const locale = [env["LC_ALL"], env["LC_CTYPE"], env["LANG"]].find(
    (each) => each !== undefined && each !== "",
  );
  return locale !== undefined && !/utf-?8/i.test(locale);
}

function rememberedTheme(path: string): ThemeName | null {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new AetherError("AE_USAGE", `${path} cannot be read`, {
      why: error instanceof Error ? error.message : String(error),
      hint: "It keeps the theme chosen last; make it readable or remove it.",
    });
  }
  const name = /"theme"\s*:\s*"([^"]*)"/.exec(text)?.[1];
  return themeOf(name ?? text.slice(0, 40), `${path}, which may be removed`);
}

/** COLORFGBG is "foreground;background" in the sixteen colours; 7 and 15 are light grounds. */
const isGroundLight = (env: Environment): boolean => /;(?:7|15)$/.test(env["COLORFGBG"] ?? "");

function remember(path: string, theme: ThemeName): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify({ theme })}\n`, { mode: 0o600 });
  renameSync(draft, path);
}

/** @throws AetherError AE_USAGE for a theme that there is not, and a remembered choice that cannot be read */
export function loadAppearance(globals: GlobalOptions, env: Environment): Appearance {
  const path = rememberedPath(env);
  const named = env["AETHER_THEME"] ?? "";
  const theme =
    globals.theme !== undefined
      ? themeOf(globals.theme, "--theme")
      : named !== ""
        ? themeOf(named, "AETHER_THEME")
        : (rememberedTheme(path) ?? (isGroundLight(env) ? "light" : "dark"));
  const { AETHER_ASCII: asciiWish } = env;
  return {
    theme,
    ascii: globals.ascii === true || (asciiWish === undefined ? isLocaleAscii(env) : isOn(asciiWish)),
    screenReader:
      globals.screenReader === true || isOn(env["AETHER_SCREEN_READER"]) || isOn(env["INK_SCREEN_READER"]),
    reducedMotion: globals.reducedMotion === true || isOn(env["AETHER_REDUCED_MOTION"]),
    remember: (chosen) => remember(path, chosen),
  };
}
