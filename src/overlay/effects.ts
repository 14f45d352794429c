/**
 * The language between the overlay engine and the kernel: rows (what is, or should be, there), operations (what to
 * change), what was observed, and what is told to people.
 *
 * Each row is one thing that the kernel has one of: `row-key.ts` names it. Rows are compared by value, so they hold
 * nothing that the kernel changes by itself.
 */
import type { SecurityAssociation } from "../model/security-association.ts";
import type { Base, Expression, SetType } from "../netlink/nft-values.ts";
import type { Policy } from "../netlink/xfrm-values.ts";
import type { ContainerLink, Wanted } from "./messages.ts";

/** A network namespace: of the host, of a network's sandbox, of a container (by the id of its endpoint or exit). */
export type Place = "host" | `sandbox:${string}` | `container:${string}`;

export type Row =
  | { readonly kind: "filter"; readonly filter: Filter }
  | { readonly kind: "element"; readonly set: string /** In hexadecimal. */; readonly value: string }
  | { readonly kind: "policy"; readonly policy: Policy }
  | { readonly kind: "association"; readonly association: SecurityAssociation }
  /** A kernel parameter by its path below /proc/sys. */
  | { readonly kind: "setting"; readonly place: Place; readonly path: string; readonly value: string }
  | { readonly kind: "namespace"; readonly place: Place }
  | BridgeRow
  | VxlanRow
  | VethRow
  | { readonly kind: "address"; readonly place: Place; readonly link: string; readonly address: string }
  | {
      readonly kind: "route";
      readonly place: Place;
      /** "0.0.0.0/0" is the default route. */
      readonly destination: string;
      readonly gateway: string;
      readonly link: string;
    }
  | NeighbourRow
  | ForwardingRow;

export type RowKind = Row["kind"];

export interface BridgeRow {
  readonly kind: "bridge";
  readonly place: Place;
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
}

/** In a sandbox, with its socket in the host. */
export interface VxlanRow {
  readonly kind: "vxlan";
  readonly place: Place;
  readonly name: string;
  readonly vni: number;
  readonly local: string;
  readonly port: number;
  readonly learning: boolean;
  readonly sourcePorts: { readonly from: number; readonly to: number };
  readonly bridge: string;
  readonly mtu: number;
  readonly up: boolean;
}

/** A pair: one end on a bridge (`place`, `name`), the other in a container. */
export interface VethRow {
  readonly kind: "veth";
  readonly place: Place;
  readonly name: string;
  readonly bridge: string;
  /** Does not reach other isolated ports of its bridge. */
  readonly isolated: boolean;
  readonly mtu: number;
  readonly up: boolean;
  readonly far: { readonly place: Place; readonly name: string; readonly mac: string };
}

/** "This address has that MAC", for ever: the vxlan device answers for it. */
export interface NeighbourRow {
  readonly kind: "neighbour";
  readonly place: Place;
  readonly link: string;
  readonly address: string;
  readonly mac: string;
}

/** "Frames for this MAC go to that node", for ever. */
export interface ForwardingRow {
  readonly kind: "forwarding";
  readonly place: Place;
  readonly link: string;
  readonly mac: string;
  readonly vtep: string;
}

/** Our table of the packet filter without the elements of its sets. */
export interface Filter {
  readonly table: string;
  readonly sets: readonly { readonly name: string; readonly key: SetType }[];
  readonly chains: readonly { readonly name: string; readonly base: Base }[];
  /** In their order; tags are unique. */
  readonly rules: readonly FilterRule[];
}

export interface FilterRule {
  readonly chain: string;
  readonly tag: string;
  readonly expressions: readonly Expression[];
}

/** A row that should be there, what it must not be there without, and whose it is. */
export interface WantedRow {
  readonly row: Row;
  readonly key: string;
  /** Keys of rows. */
  readonly needs: readonly string[];
  readonly subject: Subject;
}

/** Whom it concerns when something is wrong; all that apply. */
export interface Subject {
  readonly network?: string;
  /** Address of the data path of another node. */
  readonly peer?: string;
  readonly endpoint?: string;
}

export type Operation =
  | { readonly do: "add"; readonly row: Row; readonly elements?: readonly Row[] }
  /** Make the row that has this key the same as `row`, in place. */
  | { readonly do: "change"; readonly row: Row; readonly was: Row; readonly elements?: readonly Row[] }
  | { readonly do: "delete"; readonly row: Row };

/** An operation in a plan, with what is needed to judge what its failure means. */
export interface Step {
  readonly operation: Operation;
  readonly key: string;
  readonly needs: readonly string[];
  readonly subject: Subject;
}

/** Everything of ours that the kernel has, and what it depends on. */
export interface Observation {
  readonly rows: readonly Row[];
  /** Can this kernel encrypt? The reason if it cannot. */
  readonly esp: { readonly available: true } | { readonly available: false; readonly why: string };
  /** Smallest MTU on the way to each node, bytes, where the kernel knows a way. */
  readonly pathMtus: ReadonlyMap<string, number>;
  /** Packets so far, by the keys of association rows. */
  readonly usage: ReadonlyMap<string, AssociationUsage>;
  /** Namespaces that could not be looked into. */
  readonly closed: ReadonlyMap<Place, string>;
}

export interface AssociationUsage {
  readonly packets: number;
  /** The number of the last packet sent. */
  readonly sequence: number;
}

export type Outcome = "done" | "skipped" | { readonly failed: string };

export type OverlayInput =
  /** Replaces what was wanted before. */
  | { readonly on: "want"; readonly wanted: Wanted }
  /** The kernel reported a change that is not ours. */
  | { readonly on: "disturbed"; readonly what: string }
  /** Answers `observe`. */
  | { readonly on: "observed"; readonly observation: Observation }
  | { readonly on: "unobservable"; readonly why: string }
  /** Answers `apply`: one outcome for each step. */
  | { readonly on: "applied"; readonly outcomes: readonly Outcome[] };

export type OverlayEffect =
  /** Look at everything of ours; `containers` are the namespaces to look into, `vteps` the ways to measure. */
  | { readonly do: "observe"; readonly look: Look }
  /** Carry out in order. A step is skipped when one that provides what it needs failed. */
  | { readonly do: "apply"; readonly steps: readonly Step[] }
  /** The status changed. */
  | { readonly do: "tell"; readonly status: OverlayStatus };

export interface Look {
  readonly sandboxes: readonly string[];
  readonly containers: ReadonlyMap<Place, ContainerLink>;
  readonly vteps: readonly string[];
}

/** For people: nothing that is wrong is said only in a log. */
export interface OverlayStatus {
  readonly networks: ReadonlyMap<string, NetworkStatus>;
  /** Concerning no network in particular. */
  readonly problems: readonly string[];
  readonly encryption: { readonly engine: "kernel" | "none"; readonly why: string | undefined };
  /** Rows by kind that had been made or removed by somebody else, and were repaired. */
  readonly repairs: ReadonlyMap<RowKind, number>;
  /** The kernel was as it should be at the last look, and everything wanted could be wanted. */
  readonly settled: boolean;
}

export interface NetworkStatus {
  readonly encrypted: boolean;
  /** `blocked`: nothing leaves for other nodes, or arrives from them. */
  readonly state: "ready" | "degraded" | "blocked";
  readonly mtu: number;
  readonly problems: readonly string[];
  /** By the address of the data path. */
  readonly peers: ReadonlyMap<string, PeerStatus>;
}

export interface PeerStatus {
  readonly state: "plain" | "encrypted" | "blocked";
  readonly why: string | undefined;
}
