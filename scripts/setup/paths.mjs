// @ts-check
import { fileURLToPath } from "node:url";

/** The checkout, without a trailing slash. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** @param {string} relative */
export const inRoot = (relative) => `${ROOT}/${relative}`;

export const BIN = inRoot("node_modules/.bin");
/** Node 24, from the registry package; the machine's own Node only runs these scripts. */
export const NODE = `${BIN}/node`;
export const TOOLS = inRoot(".tools");
export const STAMPS = `${TOOLS}/stamps`;
export const BUILD = inRoot("build");
export const DIST = inRoot("dist");
export const CRIU = `${TOOLS}/criu`;
