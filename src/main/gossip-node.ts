/**
 * `skep gossip`: one gossip node in the foreground. The composition root of gossip: the only place that gives the
 * service real sockets, a real clock and real chance.
 *
 * Order of life: keys -> bind -> control socket -> "ready" -> join -> events until a signal or `leave` -> goodbye.
 */
import { hostname } from "node:os";
import { Fault } from "../base/fault.ts";
import type { GossipRunOptions } from "../cli/gossip.ts";
import type { ControlRequest } from "../cli/gossip-control.ts";
import { memberView, printNotice, printReady } from "../cli/gossip-print.ts";
import { presets } from "../gossip/config.ts";
import { quietDelegate } from "../gossip/quiet-delegate.ts";
import { GossipService } from "../gossip/service.ts";
import { systemClock } from "../os/clock.ts";
import { hostAddresses } from "../os/host-addresses.ts";
import { systemRandom } from "../os/random.ts";
import { systemResolver } from "../os/resolver.ts";
import { systemStreams } from "../os/tcp.ts";
import { systemDatagrams } from "../os/udp.ts";
import type { Log } from "../port/log.ts";
import { serveControl } from "./control-server.ts";
import { KeyStore } from "./key-store.ts";

/** How long saying goodbye may take after a signal. */
const LEAVE_TIMEOUT_MS = 10_000;

export interface NodeWorld {
  readonly log: Log;
  /** Standard output. */
  readonly write: (text: string) => void;
  /** Resolves when the node shall say goodbye and end. */
  readonly stopAsked: Promise<void>;
}

/** Resolves to the exit code; rejects with a `Fault` when the node cannot start. */
export async function runGossipNode(options: GossipRunOptions, world: NodeWorld): Promise<number> {
  const { log, write } = world;
  const keys = await KeyStore.open({ encrypt: options.encrypt, file: options.keyringFile }, log);
  if (keys.keyring.isEmpty) log.warn("no key is given: everybody on the network can read and forge gossip");
  const service = newService(options, keys, log);
  const asked = later();
  service.on((notice) => write(printNotice(now(), notice, options.format, base64)));
  await service.start();
  try {
    const control =
      options.control === undefined
        ? undefined
        : await serveControl(options.control, controlHandler(service, keys, asked.done), { clock: systemClock, log });
    try {
      write(printReady(now(), memberView(service.self(), base64), options.format));
      if (!(await joined(service, options.join, log))) return 1;
      await Promise.race([asked.promise, goodbyeAfter(world.stopAsked, service, log)]);
      return 0;
    } finally {
      await control?.close();
    }
  } finally {
    await service.stop();
  }
}

function newService(options: GossipRunOptions, keys: KeyStore, log: Log): GossipService {
  const { label, delegateProtocol } = options;
  return new GossipService(
    {
      name: options.node ?? hostname(),
      bind: options.bind,
      advertise: options.advertise,
      hostAddresses: hostAddresses(),
      config: { ...presets[options.profile], label, delegateVersions: delegateProtocol },
      keyring: keys.keyring,
    },
    {
      clock: systemClock,
      random: systemRandom(),
      datagrams: systemDatagrams,
      streams: systemStreams(systemClock),
      resolver: systemResolver,
      log,
      delegate: quietDelegate,
    },
  );
}

/** As with Serf, a node that is told to join and can join nobody ends. */
async function joined(service: GossipService, targets: readonly string[], log: Log): Promise<boolean> {
  if (targets.length === 0) return true;
  const { joined, faults } = await service.join(targets);
  for (const { code, message } of faults) log.warn("could not join", { reason: code, detail: message });
  if (joined === 0) log.error("none of the nodes to join could be reached");
  else log.info("joined", { nodes: joined });
  return joined > 0;
}

async function goodbyeAfter(stopAsked: Promise<void>, service: GossipService, log: Log): Promise<void> {
  await stopAsked;
  log.info("saying goodbye");
  if (!(await service.leave(LEAVE_TIMEOUT_MS))) log.warn("ended before everybody was told");
}

function controlHandler(
  service: GossipService,
  keys: KeyStore,
  leave: () => void,
): (request: ControlRequest) => Promise<unknown> {
  return async (request) => {
    switch (request.op) {
      case "members":
        return service.members().map((member) => memberView(member, base64));
      case "stats":
        return service.stats();
      case "keysList":
        return keys.list();
      case "keysInstall":
        return keys.install(request.key);
      case "keysUse":
        return keys.use(request.key);
      case "keysRemove":
        return keys.remove(request.key);
      case "leave": {
        const told = await service.leave(request.timeoutMs);
        // After the answer is on its way.
        systemClock.after(0, leave);
        if (!told) throw new Fault("timeout", "the node ends before everybody was told");
        return { left: true };
      }
    }
  };
}

/** A promise and the way to resolve it. */
function later(): { readonly promise: Promise<void>; readonly done: () => void } {
  let done = (): void => undefined;
  const promise = new Promise<void>((resolve) => {
    done = resolve;
  });
  return { promise, done };
}

function now(): string {
  return systemClock.wall().toISOString();
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
