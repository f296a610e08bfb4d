/** Numbers on the command line; a wrong one is a usage error with commander's own message. */
import { InvalidArgumentError } from "commander";

export function parseCount(text: string): number {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (value <= 10_000) return value;
  throw new InvalidArgumentError("It is not a number from 0 to 10000.");
}

export function parsePort(text: string): number {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 1 && value <= 65_535) return value;
  throw new InvalidArgumentError("It is not a port from 1 to 65535.");
}

export function parseSeconds(text: string): number {
  const value = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 0.1 && value <= 3600) return value;
  throw new InvalidArgumentError("It is not a number of seconds from 0.1 to 3600.");
}

export function parseTotal(text: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 1) return value;
  throw new InvalidArgumentError("It is not a number from 1 to 999999999.");
}
