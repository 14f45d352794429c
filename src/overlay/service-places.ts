/**
 * The namespaces that a node works in, each with its conversation: the host's, the sandboxes' and the containers'.
 *
 * A sandbox is held by a file, so it outlives the node; the handle here holds it too, in case that somebody removes the
 * file. A container's path is opened again at each look: another container may be behind it by then.
 */

import { Fault } from "../base/fault.ts";
import { Conversation } from "../netlink/conversation.ts";
import type { NetworkNamespace, NetworkNamespaces } from "../port/namespaces.ts";
import type { NetlinkDoor, NetlinkSockets } from "../port/netlink.ts";
import type { SandboxFolder } from "../port/sandbox-folder.ts";
import type { Look, Place } from "./effects.ts";

export interface PlacePorts {
  readonly namespaces: NetworkNamespaces;
  readonly sockets: NetlinkSockets;
  readonly folder: SandboxFolder;
}

export interface OpenPlace {
  readonly place: Place;
  readonly namespace: NetworkNamespace;
  readonly route: NetlinkDoor;
}

const SANDBOX = "sandbox:";

export class Places {
  readonly #ports: PlacePorts;
  readonly #open = new Map<Place, OpenPlace>();

  constructor(ports: PlacePorts) {
    this.#ports = ports;
  }

  /** Open what is there and close what is not needed any more. The answer: which places could not be opened, and why. */
  look(look: Look): Map<Place, string> {
    const closed = new Map<Place, string>();
    this.#renew("host", () => this.#ports.namespaces.current());
    for (const name of this.#ports.folder.names()) {
      const place: Place = `${SANDBOX}${name}`;
      if (this.#tryRenew(place, this.#ports.folder.pathOf(name)) !== undefined) this.#ports.folder.forget(name);
    }
    for (const [place, { namespace }] of look.containers) {
      const why = this.#tryRenew(place, namespace);
      if (why !== undefined) closed.set(place, why);
    }
    for (const place of [...this.#open.keys()]) {
      if (place.startsWith("container:") && (!look.containers.has(place) || closed.has(place))) this.#close(place);
    }
    return closed;
  }

  /** Throws `Fault` (`notFound`) for a place that is not open. */
  get(place: Place): OpenPlace {
    const open = this.#open.get(place);
    if (open === undefined) throw new Fault("notFound", `there is no ${place}`);
    return open;
  }

  has(place: Place): boolean {
    return this.#open.has(place);
  }

  /** All that are open, the host first. */
  list(): OpenPlace[] {
    return [...this.#open.values()];
  }

  /** Does a file hold this sandbox? */
  isHeld(place: Place): boolean {
    return this.#ports.folder.names().includes(place.slice(SANDBOX.length));
  }

  /** Make a sandbox, or let its file hold it again. */
  create(place: Place): void {
    const namespace = this.#open.get(place)?.namespace ?? this.#ports.namespaces.create();
    namespace.bind(this.#ports.folder.pathOf(place.slice(SANDBOX.length)));
    if (!this.#open.has(place)) this.#add(place, namespace);
  }

  remove(place: Place): void {
    this.#close(place);
    this.#ports.namespaces.unbind(this.#ports.folder.pathOf(place.slice(SANDBOX.length)));
  }

  close(): void {
    for (const place of [...this.#open.keys()]) this.#close(place);
  }

  #tryRenew(place: Place, path: string): string | undefined {
    try {
      this.#renew(place, () => this.#ports.namespaces.open(path));
      return undefined;
    } catch (error) {
      if (error instanceof Fault) return error.message;
      throw error;
    }
  }

  #renew(place: Place, open: () => NetworkNamespace): void {
    const before = this.#open.get(place);
    const namespace = open();
    if (before?.namespace.identity === namespace.identity) {
      namespace.close();
      return;
    }
    if (before !== undefined) this.#close(place);
    this.#add(place, namespace);
  }

  #add(place: Place, namespace: NetworkNamespace): void {
    try {
      const route = new Conversation(this.#ports.sockets.open(namespace, "route"));
      this.#open.set(place, { place, namespace, route });
    } catch (error) {
      namespace.close();
      throw error;
    }
  }

  #close(place: Place): void {
    const open = this.#open.get(place);
    this.#open.delete(place);
    open?.route.close();
    open?.namespace.close();
  }
}
