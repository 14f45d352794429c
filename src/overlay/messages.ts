/**
 * What the rest of the node wants of its overlay networks: the whole of it at once, again whenever something changed.
 *
 * Networks, endpoints and exits come from the cluster's managers and from this node's agent; peers come from other
 * nodes by gossip and may be anything. `check-wanted.ts` judges them. Addresses are canonical text, MAC addresses six
 * lower-case pairs.
 */
import type { RingKey } from "../model/ring-key.ts";

export interface Wanted {
  readonly networks: readonly Network[];
  readonly endpoints: readonly Endpoint[];
  readonly exits: readonly Exit[];
  readonly peers: readonly Peer[];
  /** Docker's ring of three, in any order; none: no key has arrived yet. */
  readonly keys: readonly RingKey[];
}

export interface Network {
  /** 25 letters and digits from a manager; at most 64. */
  readonly id: string;
  /** At least one. Subnets may share a VNI, an IPv4 and an IPv6 one for example. */
  readonly subnets: readonly Subnet[];
  readonly encrypted: boolean;
  /** Nothing leads out of it. */
  readonly internal: boolean;
  /** Option `com.docker.network.driver.mtu`: what the underlay carries at most. */
  readonly mtu: number | undefined;
  /** Nodes known to take part before any of their endpoints is known, by the address of their data path. */
  readonly members: readonly string[];
}

export interface Subnet {
  /** The gateway's address with the length of the subnet: "10.0.1.1/24". It is the address of the network's bridge. */
  readonly gateway: string;
  readonly vni: number;
}

/** An interface of a container of this node in a network. */
export interface Endpoint {
  /** 64 hexadecimal digits, as in `overlay_peer_table`. */
  readonly id: string;
  readonly network: string;
  /** With the length of the subnet: "10.0.1.4/24", at most one of each family. */
  readonly addresses: readonly string[];
  readonly mac: string;
  readonly container: ContainerLink;
}

export interface ContainerLink {
  /** A file that stands for the namespace: "/proc/4711/ns/net". */
  readonly namespace: string;
  /** Name of the interface inside: "eth0". */
  readonly name: string;
}

/** The interface by which a container reaches what is not in its networks; one for each container that may. */
export interface Exit {
  /** Of the container; 8 or more hexadecimal digits. */
  readonly id: string;
  /** In the subnets of the exit bridge: "172.18.0.3/16". */
  readonly addresses: readonly string[];
  readonly container: ContainerLink;
}

/** A row of `overlay_peer_table`: somebody says that an endpoint is on a node. */
export interface Peer {
  readonly network: string;
  /** Id of the endpoint. */
  readonly endpoint: string;
  /** "10.0.1.5/24". */
  readonly address: string;
  readonly mac: string;
  /** Address of the data path of its node. */
  readonly vtep: string;
}
