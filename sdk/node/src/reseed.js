/** Random generators that clones of one snapshot would share: seeded anew before the first draw of a new generation. */
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { channel } from "./channel.js";
import { reseedOpenssl } from "./native.js";

/** @type {import("./channel.js").Channel | null} */
let here = null;
let seen = 0;
let reseeds = 0;
const original = { ...crypto };

/** xoshiro128++ (Blackman and Vigna), 32 bits a step. */
const state = new Uint32Array(4);

function next32() {
  const sum = (state[0] + state[3]) | 0;
  const result = (((sum << 7) | (sum >>> 25)) + state[0]) >>> 0;
  const shifted = state[1] << 9;
  state[2] ^= state[0];
  state[3] ^= state[1];
  state[1] ^= state[2];
  state[0] ^= state[3];
  state[2] ^= shifted;
  state[3] = (state[3] << 11) | (state[3] >>> 21);
  return result;
}

function mathRandom() {
  if (here !== null && here.shortGeneration !== seen) refresh();
  // 53 bits, as the language has them.
  return ((next32() >>> 5) * 67_108_864 + (next32() >>> 6)) / 9_007_199_254_740_992;
}

function seedMath() {
  original.randomFillSync(state);
  if (here === null) return;
  const entropy = new Uint32Array(here.entropy.buffer);
  for (let index = 0; index < 4; index++) state[index] ^= entropy[index] ^ entropy[index + 4];
  if (state.every((each) => each === 0)) state[0] = 1;
}

/** Seeds everything anew if the generation is another one than when it was last seeded. */
export function refresh() {
  if (here === null || here.shortGeneration === seen) return;
  // First the number: what follows draws, too.
  seen = here.shortGeneration;
  reseeds += 1;
  reseedOpenssl();
  seedMath();
}

/**
 * @template {(...args: any[]) => any} F
 * @param {F} call
 * @returns {F}
 */
function checked(call) {
  /**
   * @this {any}
   * @param {any[]} args
   */
  const draw = function (...args) {
    if (here !== null && here.shortGeneration !== seen) refresh();
    return Reflect.apply(call, this, args);
  };
  Object.defineProperties(draw, {
    name: { value: call.name },
    length: { value: call.length },
  });
  return /** @type {F} */ (/** @type {unknown} */ (draw));
}

const sixBytes = Buffer.alloc(6);

/**
 * Node draws ahead for randomInt as well (lib/internal/crypto/random.js), and what it drew before a snapshot every clone
 * would hand out again. Taking all of it out takes longer than a restore's budget allows; so it is left where it is.
 * @param {any[]} args
 */
function randomInt(...args) {
  if (here !== null && here.shortGeneration !== seen) refresh();
  const [first, second] = args;
  const [min, max] = typeof second === "number" ? [first, second] : [0, first];
  const callback = args.find((each) => typeof each === "function");
  const range = max - min;
  const legal = Number.isSafeInteger(min) && Number.isSafeInteger(max) && range > 0 && range < 2 ** 48;
  // Its errors are Node's own.
  if (
    reseeds === 0 ||
    !legal ||
    (second !== undefined && typeof second !== "number" && callback === undefined)
  )
    return Reflect.apply(original.randomInt, crypto, args);
  const limit = 2 ** 48 - (2 ** 48 % range);
  let drawn;
  do drawn = original.randomFillSync(sixBytes).readUIntBE(0, 6);
  while (drawn >= limit);
  const value = min + (drawn % range);
  if (callback === undefined) return value;
  process.nextTick(callback, undefined, value);
  return undefined;
}

/** @param {crypto.RandomUUIDOptions} [options] */
function randomUUID(options) {
  if (here !== null && here.shortGeneration !== seen) refresh();
  // What it drew ahead before a snapshot, every clone would hand out again.
  return original.randomUUID(reseeds > 0 ? { ...options, disableEntropyCache: true } : options);
}

/** Functions of node:crypto that draw, also inside (keys, nonces of signatures). */
const drawing = [
  "randomBytes",
  "pseudoRandomBytes",
  "randomFill",
  "randomFillSync",
  "generateKey",
  "generateKeySync",
  "generateKeyPair",
  "generateKeyPairSync",
  "generatePrime",
  "generatePrimeSync",
  "sign",
  "createSign",
  "createECDH",
  "createDiffieHellman",
];

/** Makes every draw look at the generation. Nothing changes where Aether gave no control page. */
export function install() {
  if (here !== null) return;
  here = channel();
  if (here === null) return;
  seen = here.shortGeneration;
  const target = /** @type {Record<string, any>} */ (/** @type {unknown} */ (crypto));
  for (const name of drawing) {
    const call = target[name];
    if (typeof call !== "function") continue;
    Object.defineProperty(target, name, {
      value: checked(call),
      writable: true,
      configurable: true,
      enumerable: true,
    });
  }
  target.randomUUID = randomUUID;
  target.randomInt = randomInt;
  const web = Object.getPrototypeOf(crypto.webcrypto);
  web.getRandomValues = checked(web.getRandomValues);
  web.randomUUID = function () {
    return randomUUID();
  };
  const subtle = Object.getPrototypeOf(crypto.webcrypto.subtle);
  for (const name of ["generateKey", "sign", "encrypt"]) subtle[name] = checked(subtle[name]);
  syncBuiltinESMExports();
  seedMath();
  Math.random = mathRandom;
}
