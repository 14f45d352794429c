/**
 * The overlay engine's kernel: looks at everything of ours, carries out plans, and hears when somebody changes something.
 *
 * Netlink answers at once, so nothing here waits. Secrets of associations that were looked at are overwritten as soon
 * as the next look replaces them.
 */
import { KernelFault } from "../base/errno.ts";
import { Fault, faultOf } from "../base/fault.ts";
import { KeyMaterial } from "../model/key-material.ts";
import { Conversation } from "../netlink/conversation.ts";
import { decodeRoute, routeTo } from "../netlink/routes.ts";
import { addAssociation } from "../netlink/xfrm-associations.ts";
import { noLimits, noMark, noSequence } from "../netlink/xfrm-values.ts";
import type { NetlinkDoor } from "../port/netlink.ts";
import { CarryOut } from "./carry-out.ts";
import type { OverlayConfig } from "./config.ts";
import type { Look, Observation, Outcome, Step } from "./effects.ts";
import { Applier } from "./service-apply.ts";
import { observeFilter, observeIpsec } from "./service-observe-guards.ts";
import { linksIn, observeLinks } from "./service-observe-links.ts";
import { type PlacePorts, Places } from "./service-places.ts";
import { Watch } from "./service-watch.ts";

/** Looks after which a kernel without ESP is asked again: its module may have been loaded since. */
const ASK_AGAIN_AFTER_LOOKS = 60;

export class OverlayKernel {
  readonly #config: OverlayConfig;
  readonly #ports: PlacePorts;
  readonly #places: Places;
  readonly #ipsec: NetlinkDoor;
  readonly #filter: NetlinkDoor;
  readonly #applier: Applier;
  readonly #watch: Watch;
  #esp: Observation["esp"] | undefined;
  #looks = 0;

  /** `disturbed`: something of ours may have been changed; called from the event loop. Throws `Fault`. */
  constructor(config: OverlayConfig, ports: PlacePorts, disturbed: (what: string) => void) {
    this.#config = config;
    this.#ports = ports;
    this.#places = new Places(ports);
    const host = ports.namespaces.current();
    try {
      this.#ipsec = new Conversation(ports.sockets.open(host, "ipsec"));
      this.#filter = new Conversation(ports.sockets.open(host, "filter"));
      this.#watch = new Watch(ports.sockets, host, disturbed);
    } finally {
      host.close();
    }
    this.#applier = new Applier({ places: this.#places, ipsec: this.#ipsec, filter: this.#filter }, config);
  }

  /** Throws `Fault` when the kernel cannot be asked. */
  observe(look: Look): Observation {
    this.#looks += 1;
    const closed = this.#places.look(look);
    this.#watch.follow(this.#places.list().filter(({ place }) => place.startsWith("sandbox:")));
    const ipsec = observeIpsec(this.#ipsec, this.#config);
    return {
      rows: [
        ...observeFilter(this.#filter, this.#config),
        ...ipsec.rows,
        ...observeLinks(this.#places, look, this.#config),
      ],
      esp: this.#askForEsp(),
      pathMtus: this.#pathMtus(look.vteps),
      usage: ipsec.usage,
      closed,
    };
  }

  apply(steps: readonly Step[]): readonly Outcome[] {
    const carry = new CarryOut(steps);
    for (let step = carry.next(); step !== undefined; step = carry.next()) {
      try {
        this.#applier.apply(step.operation);
        carry.report("done");
      } catch (error) {
        carry.report({ failed: faultOf(error).message });
      }
    }
    return carry.outcomes;
  }

  /** What was made stays, for the next life of this node to adopt. */
  close(): void {
    this.#watch.close();
    this.#places.close();
    this.#ipsec.close();
    this.#filter.close();
  }

  #askForEsp(): Observation["esp"] {
    const isDue = this.#esp?.available === false && this.#looks % ASK_AGAIN_AFTER_LOOKS === 0;
    if (this.#esp === undefined || isDue) this.#esp = probeEsp(this.#ports);
    return this.#esp;
  }

  /** Of those that there is a way to. */
  #pathMtus(vteps: readonly string[]): Map<string, number> {
    if (vteps.length === 0) return new Map();
    const host = this.#places.get("host");
    const mtus = new Map(linksIn(host).map(({ index, mtu }) => [index, mtu]));
    return new Map(
      vteps.flatMap((vtep): [string, number][] => {
        try {
          const [message] = host.route.ask(routeTo(vtep));
          const { link, mtu } = decodeRoute(message!);
          const size = mtu ?? mtus.get(link);
          return size === undefined ? [] : [[vtep, size]];
        } catch (error) {
          if (error instanceof KernelFault) return [];
          throw error;
        }
      }),
    );
  }
}

/** Asked by doing it, in a namespace of its own that is gone afterwards: modules may be built in, or not loaded yet. */
function probeEsp({ namespaces, sockets }: PlacePorts): Observation["esp"] {
  const scratch = namespaces.create();
  try {
    const door = new Conversation(sockets.open(scratch, "ipsec"));
    try {
      const ends = { source: "192.0.2.1", destination: "192.0.2.2", spi: 256, mark: noMark };
      const key = new KeyMaterial(new Uint8Array(20));
      const sizes = { icvBits: 64, extendedSequence: false, replayWindow: 0, sequence: noSequence } as const;
      const rest = { requestId: 1, mode: "transport", outputMark: noMark, limits: noLimits } as const;
      door.ask(addAssociation({ ...ends, key, ...sizes, ...rest }));
      return { available: true };
    } finally {
      door.close();
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const why = error instanceof KernelFault ? error.errno : error.message;
    return { available: false, why: `it refuses ESP with AES-GCM (${why})` };
  } finally {
    scratch.close();
  }
}
