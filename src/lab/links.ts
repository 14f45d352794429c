/**
 * The rules of a lab's switch as nftables text: which ports are cut off from each other, how many packets get lost.
 * Pure text; `lab.ts` loads it in one transaction that replaces the rules before.
 */

export interface Links {
  /** Hosts of different groups do not reach each other. */
  readonly groups: readonly (readonly { readonly name: string }[])[];
  /** Probability of losing one packet between two hosts, 0..100. */
  readonly lossPercent: number;
}

/** Rules for `nft -f`. Address resolution is cut but never lossy: loss is meant for what programs send. */
export function switchRules({ groups, lossPercent }: Links): string {
  const cuts = groups.flatMap((group) =>
    groups.filter((other) => other !== group).flatMap((other) => pairs(group, other)),
  );
  const rules = [
    cuts.length === 0 ? "" : `iifname . oifname { ${cuts.join(", ")} } counter drop`,
    lossPercent <= 0 ? "" : `ether type != arp numgen random mod 10000 < ${Math.round(lossPercent * 100)} counter drop`,
  ];
  return [
    "table bridge lab {}",
    "delete table bridge lab",
    "table bridge lab {",
    "  chain forwarding {",
    "    type filter hook forward priority 0; policy accept;",
    ...rules.filter((rule) => rule !== "").map((rule) => `    ${rule}`),
    "  }",
    "}",
    "",
  ].join("\n");
}

function pairs(group: Links["groups"][number], other: Links["groups"][number]): string[] {
  return group.flatMap(({ name: from }) => other.map(({ name: to }) => `"${from}" . "${to}"`));
}
