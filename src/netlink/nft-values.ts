/**
 * What the kernel's packet filter (nf_tables) knows, as values: tables, chains, rules, sets and their elements.
 *
 * Values in registers and sets are bytes as the packet or the kernel has them: addresses, ports and header fields in
 * network byte order, marks and request ids in the order of the host. Source: include/uapi/linux/netfilter/nf_tables.h.
 */

/** `inet` is IPv4 and IPv6 at once. */
export type TableFamily = "inet" | "ip" | "ip6" | "bridge";

export interface Table {
  readonly family: TableFamily;
  /** 1 to 255 letters, as all names here. */
  readonly name: string;
}

export interface TableState extends Table {
  readonly handle: bigint;
  /** Told by us, understood by nobody else; empty if there is none. */
  readonly userdata: Uint8Array;
}

export type Hook = "prerouting" | "input" | "forward" | "output" | "postrouting";

/** Where a chain meets packets. `route` looks up the route again when a rule changed the mark. */
export interface Base {
  readonly type: "filter" | "route" | "nat";
  readonly hook: Hook;
  /** The lower number sees packets first; -300 is before connection tracking, -150 the place for marks. */
  readonly priority: number;
  /** For packets that reach the end. */
  readonly policy: "accept" | "drop";
}

export interface Chain {
  readonly table: Table;
  readonly name: string;
  /** Without it, only a rule leads there. */
  readonly base: Base | undefined;
}

export interface ChainState extends Chain {
  readonly handle: bigint;
}

export interface Rule {
  readonly table: Table;
  readonly chain: string;
  /** From left to right; the first that does not match ends the rule. */
  readonly expressions: readonly Expression[];
  /** Our id of it, at most 127 bytes; `nft` shows it as its comment. Empty for none. */
  readonly tag: string;
}

export interface RuleState extends Rule {
  readonly handle: bigint;
}

/** What elements of a set are, for people who look with `nft`; the kernel only takes the length. */
export interface SetType {
  readonly bytes: number;
  /** Numbers of nft's data types, one for each part of a concatenation. */
  readonly parts: readonly number[];
  /** How nft numbers the order of the bytes. */
  readonly byteOrder: number;
  /** How nft spells the type when its numbers do not tell it; empty when they do. */
  readonly shape: Uint8Array;
}

export interface Set {
  readonly table: Table;
  readonly name: string;
  readonly key: SetType;
  /** A map if it is there. */
  readonly data: SetType | undefined;
}

export interface SetState {
  readonly table: Table;
  readonly name: string;
  readonly handle: bigint;
  readonly keyBytes: number;
  /** 0 for plain sets. */
  readonly dataBytes: number;
  /** Elements are starts and ends of ranges; not made by us. */
  readonly interval: boolean;
  readonly userdata: Uint8Array;
}

export interface Element {
  readonly key: Uint8Array;
  /** In maps. */
  readonly data?: Uint8Array;
}

/**
 * A place for values inside a rule: 1 to 4 hold 16 bytes each. The kernel sees 16 places of 4 bytes (8 to 23) in the
 * same memory; a concatenation needs its parts behind each other, 1, 9, 10 and so on.
 */
export type Register = number;

export type MetaKey = "mark" | "inInterface" | "outInterface" | "networkProtocol" | "transportProtocol" | "secpath";
export type Operator = "==" | "!=" | "<" | "<=" | ">" | ">=";
export type Verdict = "accept" | "drop" | "return" | "continue" | "jump" | "goto";

export type Expression =
  /** Load bytes of the packet, counted from the start of a header. */
  | {
      readonly kind: "payload";
      readonly base: "link" | "network" | "transport";
      readonly offset: number;
      readonly bytes: number;
      readonly register: Register;
    }
  /** Load what the kernel knows of the packet: names of interfaces are 16 bytes, `secpath` is 1 byte. */
  | { readonly kind: "meta"; readonly key: MetaKey; readonly register: Register }
  /** Change it; only the mark is ours to change. */
  | { readonly kind: "metaSet"; readonly key: "mark"; readonly register: Register }
  /** Load 1 if the packet's route leads through IPsec, 0 if not: 1 byte. */
  | { readonly kind: "routeIpsec"; readonly register: Register }
  /** Load what transformed the packet (`in`) or will (`out`). Ends the rule when nothing did. */
  | {
      readonly kind: "ipsec";
      readonly key: "requestId" | "spi";
      readonly direction: "in" | "out";
      /** 0 is the last one applied. */
      readonly level: number;
      readonly register: Register;
    }
  /** Load a bit of the connection's state, as bit set. */
  | { readonly kind: "connectionState"; readonly register: Register }
  | {
      readonly kind: "compare";
      readonly operator: Operator;
      readonly register: Register;
      readonly value: Uint8Array;
    }
  /** `target = (source & mask) ^ xor`. */
  | {
      readonly kind: "bitwise";
      readonly source: Register;
      readonly target: Register;
      readonly mask: Uint8Array;
      readonly xor: Uint8Array;
    }
  /** Is the register's value in the set (or, with `not`, is it not)? With `target`, load what a map has for it. */
  | {
      readonly kind: "lookup";
      readonly set: string;
      readonly register: Register;
      readonly not: boolean;
      readonly target?: Register;
    }
  | { readonly kind: "immediate"; readonly register: Register; readonly value: Uint8Array }
  | { readonly kind: "verdict"; readonly verdict: Verdict; readonly chain?: string }
  | { readonly kind: "counter"; readonly packets: bigint; readonly bytes: bigint }
  | { readonly kind: "masquerade" }
  /** Somebody else's; cannot be written. */
  | { readonly kind: "foreign"; readonly name: string };
