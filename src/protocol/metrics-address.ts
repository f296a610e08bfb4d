import type { MetricsConfig } from "./config.ts";

/** `127.0.0.1:9090` or `[::1]:9090`: as it stands in the file, and in a URL. */
export function metricsAddress({ host, port }: MetricsConfig): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
