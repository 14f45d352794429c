/** One of our nodes in a host of the laboratory: the other end of `skep-peer.ts`. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Fault } from "../../src/base/fault.ts";
import type { GossipStats } from "../../src/gossip/service-stats.ts";
import type { Host } from "../../src/lab/host.ts";
import type { Line, Program } from "../../src/lab/program.ts";
import type { PeerCommand, PeerMember, PeerOptions } from "./peer-language.ts";
import type { KeyAnswer, KeyOperation } from "./serf-delegate.ts";

const script = fileURLToPath(new URL("skep-peer.ts", import.meta.url));
const root = join(script, "../../..");
const ANSWER_MS = 30_000;

/** A line of the peer, parsed. `atMs` is when it arrived here. */
export interface Said {
  readonly atMs: number;
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly event?: "ready" | "member" | "user";
  readonly kind?: string;
  readonly name?: string;
  readonly state?: string;
  readonly payload?: string;
  readonly from?: string;
}

export class Peer {
  readonly name: string;
  readonly host: Host;
  readonly program: Program;
  readonly said: Said[] = [];
  readonly #waiting = new Map<number, (said: Said) => void>();
  #lastId = 0;

  private constructor(name: string, host: Host, program: Program) {
    this.name = name;
    this.host = host;
    this.program = program;
    program.watch((line) => this.#hear(line));
  }

  static async start(host: Host, options: Omit<PeerOptions, "address">): Promise<Peer> {
    const json = JSON.stringify({ ...options, address: host.address } satisfies PeerOptions);
    const args = ["--import", join(root, "node_modules/tsx/dist/loader.mjs"), script, json];
    const program = host.start(`skep ${options.name}`, process.execPath, args);
    const peer = new Peer(options.name, host, program);
    await program.line("start", /"event":"ready"/, 30_000);
    return peer;
  }

  async ask<Answer>(command: PeerCommand): Promise<Answer> {
    const id = ++this.#lastId;
    const said = await new Promise<Said>((resolve, reject) => {
      const give = (fault: Fault): void => {
        clearTimeout(timer);
        reject(fault);
      };
      const timer = setTimeout(
        () => give(new Fault("timeout", `${this.name} does not answer "${command.do}":\n${this.program.tail(6)}`)),
        ANSWER_MS,
      );
      this.#waiting.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      void this.program.exited.then(() => give(new Fault("unavailable", `${this.name}:\n${this.program.tail(20)}`)));
      this.program.write(JSON.stringify({ id, ...command }));
    });
    if (said.error !== undefined) throw new Fault("unavailable", `${this.name}: ${command.do}: ${said.error}`);
    return said.result as Answer;
  }

  members(): Promise<PeerMember[]> {
    return this.ask({ do: "members" });
  }

  stats(): Promise<GossipStats> {
    return this.ask({ do: "stats" });
  }

  keyring(): Promise<string[]> {
    return this.ask({ do: "keyring" });
  }

  async join(target: string): Promise<boolean> {
    return (await this.ask<number>({ do: "join", target })) === 1;
  }

  keys(operation: KeyOperation, key: string): Promise<{ others: number; answers: KeyAnswer[] }> {
    return this.ask({ do: "keys", operation, key });
  }

  async leave(): Promise<void> {
    await this.ask({ do: "leave" });
    await this.program.stop("SIGTERM");
  }

  async kill(): Promise<void> {
    await this.program.stop("SIGKILL");
  }

  /** Events about members since `sinceMs` of these kinds. */
  told(kinds: readonly string[], sinceMs = 0): Said[] {
    return this.said.filter(
      ({ event, kind, atMs }) => event === "member" && atMs >= sinceMs && kinds.includes(kind ?? ""),
    );
  }

  #hear(line: Line): void {
    if (line.source !== "stdout" || !line.text.startsWith("{")) return;
    const said: Said = { ...(JSON.parse(line.text) as Said), atMs: line.atMs };
    if (said.id === undefined) this.said.push(said);
    else this.#waiting.get(said.id)?.(said);
  }
}
