/** Two network namespaces with a veth pair between them: a machine, and a client on its network. */
import type { Actor } from "./actor.ts";

/** Shell commands as Python for an actor; the one that fails is named. */
export const sh = (...lines: string[]): string =>
  lines.map((line) => `assert os.system(${JSON.stringify(line)}) == 0, ${JSON.stringify(line)}`).join("\n");

/** `up0` of the host is 10.7.0.1/24, `down0` of the client 10.7.0.2/24; both have their loopback. */
export async function connectHosts(host: Actor, client: Actor): Promise<void> {
  await client.run(sh("ip link set lo up"));
  await host.run(
    sh(
      "ip link set lo up",
      `ip link add up0 type veth peer name down0 netns ${client.pid}`,
      "ip addr add 10.7.0.1/24 dev up0",
      "ip link set up0 up",
    ),
  );
  await client.run(sh("ip addr add 10.7.0.2/24 dev down0", "ip link set down0 up"));
}
