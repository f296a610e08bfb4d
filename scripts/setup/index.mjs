// @ts-check
import { build } from "./build.mjs";
import { bpf } from "./bpf.mjs";
import { criu } from "./criu.mjs";
import { debianPackages } from "./debian-packages.mjs";
import { link } from "./link.mjs";
import { native } from "./native.mjs";
import { nodePackages } from "./node-packages.mjs";
import { platform } from "./platform.mjs";
import { promtool } from "./promtool.mjs";

/** Each after those that it needs. @type {readonly import("./step.mjs").Step[]} */
export const steps = [platform, debianPackages, nodePackages, criu, native, bpf, build, link, promtool];
