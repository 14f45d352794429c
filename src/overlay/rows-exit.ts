/**
 * The rows of the way out: one bridge in the host, as `docker_gwbridge`, and a pair into each container that may reach
 * what is not in its networks. Its ports do not reach each other; what leaves takes the address of the host (filter.ts).
 */
import type { OverlayConfig } from "./config.ts";
import type { WantedRow } from "./effects.ts";
import { UNDERLAY_MTU_DEFAULT } from "./limits.ts";
import type { Exit } from "./messages.ts";
import { bridgeMac, exitVethName } from "./names.ts";
import { parsePrefix } from "./prefix.ts";
import { linkKey } from "./row-key.ts";
import { rowOf } from "./row-of.ts";
import { exitContainerOf, forwardingPath } from "./rows-network.ts";

const HOST = "host";
const ANYWHERE = { 4: "0.0.0.0/0", 6: "::/0" } as const;

/** Nothing without exits: the bridge goes with the last one. */
export function exitRows(exits: readonly Exit[], config: OverlayConfig): WantedRow[] {
  if (exits.length === 0) return [];
  const { exit, dataPath } = config;
  const families = new Set(exits.flatMap(({ addresses }) => addresses.map((text) => parsePrefix(text).family)));
  const mac = bridgeMac("exit", dataPath.advertised);
  const bridge = { kind: "bridge", place: HOST, name: exit.bridge, mac, mtu: UNDERLAY_MTU_DEFAULT, up: true } as const;
  return [
    ...[...families].map((family) =>
      rowOf({ kind: "setting", place: HOST, path: forwardingPath(family), value: "1" }, {}),
    ),
    rowOf(bridge, {}),
    ...exit.addresses.map((address) =>
      rowOf({ kind: "address", place: HOST, link: exit.bridge, address }, {}, [linkKey(HOST, exit.bridge)]),
    ),
    ...exits.flatMap((one) => pairRows(one, config)),
  ];
}

function pairRows({ id, addresses, container }: Exit, { exit, dataPath }: OverlayConfig): WantedRow[] {
  const inside = exitContainerOf(id);
  const subject = { endpoint: id };
  const name = exitVethName(id);
  const link = container.name;
  const needs = [linkKey(HOST, name)];
  const pair = { kind: "veth", place: HOST, name, bridge: exit.bridge, isolated: true, up: true } as const;
  const far = { place: inside, name: link, mac: bridgeMac("exit", id, dataPath.advertised) };
  return [
    rowOf({ ...pair, mtu: UNDERLAY_MTU_DEFAULT, far }, subject, [linkKey(HOST, exit.bridge)]),
    ...addresses.map((address) => rowOf({ kind: "address", place: inside, link, address }, subject, needs)),
    ...addresses.map((address) => {
      const { family } = parsePrefix(address);
      const gateway = exit.addresses.map(parsePrefix).find((home) => home.family === family)?.address ?? "";
      return rowOf({ kind: "route", place: inside, destination: ANYWHERE[family], gateway, link }, subject, needs);
    }),
  ];
}
