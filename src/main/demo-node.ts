/**
 * One `skep gossip` process in a host of the demo: started as a user would start it, watched through the events on its
 * standard output, asked through its control socket.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Fault } from "../base/fault.ts";
import { seconds } from "../base/units.ts";
import type { ControlRequest, MemberView } from "../cli/gossip-control.ts";
import type { GossipStats } from "../gossip/service-stats.ts";
import type { Host } from "../lab/host.ts";
import type { Lab } from "../lab/lab.ts";
import type { Line, Program } from "../lab/program.ts";
import { systemClock } from "../os/clock.ts";
import { askNode } from "./control-client.ts";

const READY_MS = seconds(20);
const ANSWER_MS = seconds(10);
const root = fileURLToPath(new URL("../..", import.meta.url));
const loader = join(root, "node_modules/tsx/dist/loader.mjs");

export interface DemoNodeOptions {
  readonly host: Host;
  /** Base64; `undefined`: not encrypted. */
  readonly key: string | undefined;
  readonly join?: string;
}

/** A line of events, parsed. `atMs` is when it arrived here. */
export interface DemoEvent {
  readonly atMs: number;
  readonly event: string;
  /** The member that the event is about. */
  readonly about: string;
  readonly state: string;
}

export class DemoNode {
  readonly name: string;
  readonly host: Host;
  readonly program: Program;
  readonly control: string;
  readonly events: DemoEvent[] = [];

  /** Starts it; `ready` tells when it listens. It accepts Serf agents as members. */
  constructor(lab: Lab, { host, key, join: target }: DemoNodeOptions) {
    this.name = host.name;
    this.host = host;
    this.control = join(lab.directory, `${host.name}.sock`);
    const args = ["--import", loader, join(root, "src/main/cli.ts"), "gossip", "--node", host.name];
    args.push("--bind", host.address, "--control", this.control, "--delegate-protocol", "2,5,5", "--format", "json");
    if (target !== undefined) args.push("--join", target);
    const { SKEP_GOSSIP_KEY: _other, ...env } = process.env;
    this.program = host.start(`skep gossip on ${host.name}`, process.execPath, args, {
      ...env,
      TSX_TSCONFIG_PATH: join(root, "tsconfig.json"),
      ...(key === undefined ? {} : { SKEP_GOSSIP_KEY: key }),
    });
    this.program.watch((line) => this.#hear(line));
  }

  /** When it began to listen. */
  async ready(): Promise<number> {
    return (await this.program.line("start", /"event":"ready"/, READY_MS)).atMs;
  }

  /** Wait until this node has said `event` of `about`; answers with when that was. */
  async heard(event: string, about: string, sinceMs: number, withinMs: number): Promise<DemoEvent> {
    const isIt = (one: DemoEvent): boolean => one.event === event && one.about === about && one.atMs >= sinceMs;
    const there = this.events.find(isIt);
    if (there !== undefined) return there;
    await this.program.line(`${event} of ${about}`, (line) => line.atMs >= sinceMs && isIt(eventOf(line)), withinMs);
    const heard = this.events.find(isIt);
    if (heard === undefined) throw new Fault("unavailable", `${this.name}: event ${event} of ${about} got lost`);
    return heard;
  }

  /** Events of these kinds since `sinceMs`. */
  told(kinds: readonly string[], sinceMs: number): DemoEvent[] {
    return this.events.filter(({ event, atMs }) => atMs >= sinceMs && kinds.includes(event));
  }

  members(): Promise<MemberView[]> {
    return this.ask<MemberView[]>({ op: "members" });
  }

  stats(): Promise<GossipStats> {
    return this.ask<GossipStats>({ op: "stats" });
  }

  async ask<Answer>(request: ControlRequest): Promise<Answer> {
    return (await askNode(this.control, request, ANSWER_MS, systemClock)) as Answer;
  }

  #hear(line: Line): void {
    const event = eventOf(line);
    if (event.event !== "") this.events.push(event);
  }
}

function eventOf({ atMs, source, text }: Line): DemoEvent {
  const nothing = { atMs, event: "", about: "", state: "" };
  if (source !== "stdout" || !text.startsWith("{")) return nothing;
  const { event = "", member } = JSON.parse(text) as { event?: string; member?: { name: string; state: string } };
  return { atMs, event, about: member?.name ?? "", state: member?.state ?? "" };
}
