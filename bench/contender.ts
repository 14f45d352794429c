/**
 * One gossip node of either kind in a host of the laboratory, as bench/gossip-vs-serf.ts sees it: what it can be told
 * to do, and when it said what. A node of ours is one process with the real service (test/support/skep-peer.ts), a
 * node of serf is one agent. Times are those of arrival of output lines here, the same way for both.
 */
import type { Host } from "../src/lab/host.ts";
import type { Lab } from "../src/lab/lab.ts";
import { SerfAgent } from "../src/lab/serf.ts";
import { Peer } from "../test/support/peer.ts";

export type Kind = "serf" | "skep";
export type Sight = "join" | "update" | "failed" | "event";

export interface Alarms {
  /** Suspicions that this node came to by its own failed probes. */
  readonly suspicions: number;
  /** Members that this node gave up. */
  readonly deaths: number;
}

export interface Contender {
  readonly name: string;
  readonly host: Host;
  join(address: string): Promise<boolean>;
  event(name: string): Promise<void>;
  tag(value: string): Promise<void>;
  kill(): Promise<void>;
  /** When it first said that of this member (or event), not before `sinceMs`. */
  saw(sight: Sight, about: string, sinceMs: number): number | undefined;
  /** What it said wrongly since `sinceMs`; nothing said about `except` is wrong. */
  alarms(sinceMs: number, except: readonly string[]): Alarms;
}

export async function startContender(kind: Kind, lab: Lab, host: Host, key: string): Promise<Contender> {
  const options = { name: host.name, keys: [key], tags: {}, compression: true };
  if (kind === "serf") return new SerfContender(await SerfAgent.start(lab, host, options));
  return new SkepContender(await Peer.start(host, options));
}

class SerfContender implements Contender {
  readonly #agent: SerfAgent;

  constructor(agent: SerfAgent) {
    this.#agent = agent;
  }

  get name(): string {
    return this.#agent.name;
  }

  get host(): Host {
    return this.#agent.host;
  }

  join(address: string): Promise<boolean> {
    return this.#agent.join(address);
  }

  async event(name: string): Promise<void> {
    await this.#agent.command("event", "-coalesce=false", name);
  }

  async tag(value: string): Promise<void> {
    await this.#agent.command("tags", "-set", `bench=${value}`);
  }

  kill(): Promise<void> {
    return this.#agent.kill();
  }

  saw(sight: Sight, about: string, sinceMs: number): number | undefined {
    const said = {
      join: `EventMemberJoin: ${about} `,
      update: `EventMemberUpdate: ${about}`,
      failed: `EventMemberFailed: ${about} `,
      event: `messageUserEventType: ${about}`,
    }[sight];
    return this.#agent.program.lines.find(({ atMs, text }) => atMs >= sinceMs && `${text} `.includes(`${said}`))?.atMs;
  }

  alarms(sinceMs: number, except: readonly string[]): Alarms {
    const wrong = (match: RegExp): number =>
      this.#agent.logged(match, sinceMs).filter(({ text }) => !except.includes(match.exec(text)?.[1] ?? "")).length;
    return {
      suspicions: wrong(/Suspect (\S+) has failed/),
      deaths: wrong(/EventMemberFailed: (\S+)/),
    };
  }
}

class SkepContender implements Contender {
  readonly #peer: Peer;

  constructor(peer: Peer) {
    this.#peer = peer;
  }

  get name(): string {
    return this.#peer.name;
  }

  get host(): Host {
    return this.#peer.host;
  }

  join(address: string): Promise<boolean> {
    return this.#peer.join(address);
  }

  async event(name: string): Promise<void> {
    await this.#peer.ask({ do: "event", name, payload: "" });
  }

  async tag(value: string): Promise<void> {
    await this.#peer.ask({ do: "tags", tags: { bench: value } });
  }

  kill(): Promise<void> {
    return this.#peer.kill();
  }

  saw(sight: Sight, about: string, sinceMs: number): number | undefined {
    const said = this.#peer.said.find(({ atMs, event, kind, name, state }) => {
      if (atMs < sinceMs || name !== about) return false;
      if (sight === "event") return event === "user";
      return event === "member" && (sight === "failed" ? kind === "leave" && state === "dead" : kind === sight);
    });
    return said?.atMs;
  }

  alarms(sinceMs: number, except: readonly string[]): Alarms {
    const wrong = this.#peer
      .told(["suspect", "leave"], sinceMs)
      .filter(({ name, state }) => !except.includes(name ?? "") && state !== "left");
    return {
      suspicions: wrong.filter(({ kind, from }) => kind === "suspect" && from === this.name).length,
      deaths: wrong.filter(({ kind }) => kind === "leave").length,
    };
  }
}
