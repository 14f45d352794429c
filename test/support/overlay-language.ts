/** What a test and an overlay node that is a process of its own say to each other, a JSON object a line. */
import type { OverlayStatus } from "../../src/overlay/effects.ts";
import type { Wanted } from "../../src/overlay/messages.ts";

export interface OverlayNodeOptions {
  readonly address: string;
  readonly port: number;
  /** Folder and prefix of the files that hold sandboxes. */
  readonly folder: string;
  readonly prefix: string;
}

/** Keys as tag and hexadecimal bytes. */
export type SpokenWanted = Omit<Wanted, "keys"> & { readonly keys: readonly (readonly [number, string])[] };

export interface SpokenStatus extends Omit<OverlayStatus, "networks" | "repairs"> {
  readonly networks: Readonly<Record<string, SpokenNetwork>>;
  readonly repairs: Readonly<Record<string, number>>;
}

export interface SpokenNetwork {
  readonly state: string;
  readonly mtu: number;
  readonly encrypted: boolean;
  readonly problems: readonly string[];
  readonly peers: Readonly<Record<string, { readonly state: string; readonly why?: string }>>;
}
