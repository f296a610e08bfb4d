/** What Node cannot do by itself: map shared memory, wait for a pipe without a stream, seed OpenSSL anew. All through koffi. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const FD_CLOEXEC = 1;
const O_NONBLOCK = 0o4000;
/** dlfcn.h: RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE. */
const stayLoaded = 0x1 | 0x4 | 0x1000;

/** @type {any} */
let native = null;

/** Loaded when it is first needed: a process without rings does without koffi. */
function load() {
  if (native !== null) return native;
  /** @type {any} */
  let koffi;
  try {
    koffi = createRequire(import.meta.url)("koffi");
  } catch (error) {
    throw new Error("aether-sdk needs the package koffi, which is its dependency: npm install koffi", {
      cause: error,
    });
  }
  const libc = koffi.load("libc.so.6");
  native = {
    koffi,
    mmap: libc.func("void* mmap(void*, size_t, int, int, int, int64)"),
    fcntl: libc.func("int fcntl(int, int, ...)"),
    read: libc.func("int64 read(int, void*, size_t)"),
    write: libc.func("int64 write(int, void*, size_t)"),
    yield: libc.func("int sched_yield()"),
    randPoll: null,
  };
  // A thread that ends unloads koffi before libuv closes its poll handles: the process would die of SIGSEGV at its exit.
  const keep = libc.func("void* dlopen(const char*, int)");
  for (const path of new Set(readFileSync("/proc/self/maps", "utf8").match(/\/.*koffi.*\.node$/gm) ?? []))
    keep(path, stayLoaded);
  return native;
}

/**
 * Maps a descriptor's memory; no copy.
 * @param {number} fd
 * @param {number} bytes
 * @returns {ArrayBuffer}
 */
export function map(fd, bytes) {
  const { koffi, mmap } = load();
  const pointer = mmap(null, bytes, PROT_READ_WRITE, MAP_SHARED, fd, 0);
  if (pointer === null || BigInt.asIntN(64, koffi.address(pointer)) === -1n)
    throw new Error(`descriptor ${fd} could not be mapped: errno ${koffi.errno()}`);
  return koffi.view(pointer, bytes);
}

/**
 * Keeps a descriptor out of child processes; a doorbell does not block either.
 * @param {number} fd
 * @param {boolean} nonBlocking
 */
export function keepOwn(fd, nonBlocking) {
  const { fcntl } = load();
  fcntl(fd, F_SETFD, "int", FD_CLOEXEC);
  if (nonBlocking) fcntl(fd, F_SETFL, "int", fcntl(fd, F_GETFL, "int", 0) | O_NONBLOCK);
}

/**
 * Calls back whenever a descriptor is readable.
 * @param {number} fd
 * @param {() => void} callback
 * @returns {{ ref(): void, unref(): void, stop(): void, close(): void }}
 */
export function watch(fd, callback) {
  return load().koffi.node.poll(fd, { readable: true }, callback);
}

const taken = new Uint8Array(256);
const one = new Uint8Array(1);

/**
 * Takes the bytes out of a doorbell. False: the other side is gone.
 * @param {number} fd
 */
export function drain(fd) {
  return Number(load().read(fd, taken, taken.length)) !== 0;
}

/**
 * Puts a byte into a doorbell; a full one is ringing already.
 * @param {number} fd
 */
export function ring(fd) {
  load().write(fd, one, 1);
}

/** Seeds OpenSSL's generators from the kernel: Node shares its OpenSSL with everybody in the process. */
export function reseedOpenssl() {
  const here = load();
  here.randPoll ??= here.koffi.load(null).func("int RAND_poll()");
  if (here.randPoll() !== 1) throw new Error("OpenSSL could not be seeded anew (RAND_poll)");
}

/** Lets another thread run that waits for this processor, if there is one. */
export function yieldProcessor() {
  native.yield();
}
