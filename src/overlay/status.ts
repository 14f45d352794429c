/** What people are told: the state of each network and of each node it reaches, with the reasons. */
import type { Problem } from "./check-wanted.ts";
import type { NetworkStatus, Observation, OverlayStatus, PeerStatus, RowKind } from "./effects.ts";
import type { NetworkPlan, WantedRows } from "./wanted-rows.ts";

export interface StatusParts {
  readonly plan: WantedRows;
  /** Steps of the last pass that failed. */
  readonly failures: readonly Failure[];
  readonly esp: Observation["esp"];
  readonly repairs: ReadonlyMap<RowKind, number>;
  readonly settled: boolean;
}

export interface Failure extends Problem {
  /** It was about a row that guards encrypted networks. */
  readonly guard: boolean;
}

/** Problems shown for one network; the rest is counted. */
const PROBLEMS_MAX = 20;

export function statusOf({ plan, failures, esp, repairs, settled }: StatusParts): OverlayStatus {
  const unguarded = failures.find(({ guard }) => guard);
  const problems = [...plan.problems, ...failures];
  const networks = new Map(plan.networks.map((one) => [one.id, networkStatus(one, problems, unguarded)]));
  for (const { subject, why } of plan.problems) {
    if (subject.network === undefined || networks.has(subject.network)) continue;
    networks.set(subject.network, {
      encrypted: false,
      state: "blocked",
      mtu: 0,
      problems: [why],
      peers: new Map(),
    });
  }
  const general = problems.filter(({ subject }) => subject.network === undefined && subject.peer === undefined);
  return {
    networks,
    problems: some(general.map(told)),
    encryption: esp.available ? { engine: "kernel", why: undefined } : { engine: "none", why: esp.why },
    repairs: new Map(repairs),
    settled,
  };
}

function networkStatus(plan: NetworkPlan, problems: readonly Problem[], unguarded: Failure | undefined): NetworkStatus {
  const { encrypted, mtu, vteps } = plan;
  const own = problems.filter(({ subject }) => concerns(subject, plan));
  const closed = plan.blocked ?? (encrypted && unguarded !== undefined ? `its guards: ${unguarded.why}` : undefined);
  const peers = new Map(vteps.map((vtep) => [vtep, peerStatus(plan, vtep, closed, own)]));
  const blocked = [...peers.values()].filter(({ state }) => state === "blocked").length;
  const isBlocked = closed !== undefined || (vteps.length > 0 && blocked === vteps.length);
  const reasons = [...(closed === undefined ? [] : [closed]), ...own.map(told), ...plan.blockedPeers.values()];
  return {
    encrypted,
    state: isBlocked ? "blocked" : reasons.length > 0 ? "degraded" : "ready",
    mtu,
    problems: some([...new Set(reasons)]),
    peers,
  };
}

function concerns({ network, peer }: Problem["subject"], { id, encrypted, vteps }: NetworkPlan): boolean {
  if (network !== undefined) return network === id;
  return encrypted && peer !== undefined && vteps.includes(peer);
}

function peerStatus(
  { encrypted, blockedPeers }: NetworkPlan,
  vtep: string,
  closed: string | undefined,
  own: readonly Problem[],
): PeerStatus {
  const failed = own.find((problem) => problem.subject.peer === vtep && "guard" in problem);
  const why = closed ?? blockedPeers.get(vtep) ?? failed?.why;
  if (why !== undefined) return { state: "blocked", why };
  return { state: encrypted ? "encrypted" : "plain", why: undefined };
}

function told({ subject, why }: Problem): string {
  const who = subject.endpoint?.slice(0, 12) ?? subject.peer;
  return who === undefined ? why : `${who}: ${why}`;
}

function some(texts: readonly string[]): string[] {
  if (texts.length <= PROBLEMS_MAX) return [...texts];
  return [...texts.slice(0, PROBLEMS_MAX), `and ${texts.length - PROBLEMS_MAX} more`];
}
