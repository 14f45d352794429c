/** The door to network devices whose frames this process reads and writes. Throws `KernelFault` when the system refuses. */
import type { NetworkNamespace } from "./namespaces.ts";

/** "tap" carries Ethernet frames, "tun" IP packets. */
export type TapKind = "tap" | "tun";

export interface Tap {
  readonly name: string;
  /** An open file, not blocking: each read gives one frame, each write sends one. Belongs to the device. */
  readonly descriptor: number;
  /** The device disappears. */
  close(): void;
}

export interface Taps {
  /** Create a device in a namespace, down at first. Refused (`EBUSY`) when somebody else holds the name. */
  open(namespace: NetworkNamespace, name: string, kind: TapKind): Tap;
}
