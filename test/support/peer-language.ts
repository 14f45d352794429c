/** What `peer.ts` and `skep-peer.ts` say to each other, as JSON, one object per line. */
import type { MemberState } from "../../src/gossip/messages.ts";
import type { KeyOperation } from "./serf-delegate.ts";

export interface PeerOptions {
  readonly name: string;
  /** To bind and to advertise. */
  readonly address: string;
  /** Base64, primary first. */
  readonly keys: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  readonly compression: boolean;
}

export type PeerCommand =
  | { readonly do: "join"; readonly target: string }
  | { readonly do: "members" }
  | { readonly do: "stats" }
  | { readonly do: "tags"; readonly tags: Readonly<Record<string, string>> }
  | { readonly do: "event"; readonly name: string; readonly payload: string }
  | { readonly do: "keys"; readonly operation: KeyOperation; readonly key: string }
  | { readonly do: "keyring" }
  | { readonly do: "leave" };

export interface PeerMember {
  readonly name: string;
  readonly address: string;
  readonly state: MemberState;
  readonly tags: Readonly<Record<string, string>>;
}
