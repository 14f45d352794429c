/**
 * A real serf agent in a host of a lab: the peer that gossip is compared with. Talks to it only through its own
 * command line and its log, as a user would.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../base/fault.ts";
import type { Host } from "./host.ts";
import type { Lab } from "./lab.ts";
import { type Line, type Program, type Result, run } from "./program.ts";

export type SerfStatus = "alive" | "leaving" | "left" | "failed" | "none";

export interface SerfMember {
  readonly name: string;
  readonly addr: string;
  readonly status: SerfStatus;
  readonly tags: Readonly<Record<string, string>>;
}

export interface SerfOptions {
  readonly name: string;
  /** Base64, 16, 24 or 32 bytes each, the first is primary; none: not encrypted. Rotation works only with them. */
  readonly keys: readonly string[];
  readonly tags?: Readonly<Record<string, string>>;
  readonly ipv6?: boolean;
  /** True if not given, as serf's own default. */
  readonly compression?: boolean;
}

/** The agent listens; its command port follows within moments. */
const READY = /agent running/;

export class SerfAgent {
  readonly name: string;
  readonly host: Host;
  readonly program: Program;
  readonly #keyringFile: string;

  private constructor(name: string, host: Host, program: Program, keyringFile: string) {
    this.name = name;
    this.host = host;
    this.program = program;
    this.#keyringFile = keyringFile;
  }

  /** Start an agent and wait until it answers commands. */
  static async start(lab: Lab, host: Host, options: SerfOptions): Promise<SerfAgent> {
    const { name, keys, tags = {}, ipv6 = false, compression = true } = options;
    const keyringFile = join(lab.directory, `${name}.keyring.json`);
    const bind = ipv6 ? `[${host.address6}]:7946` : `${host.address}:7946`;
    const args = ["agent", `-node=${name}`, `-bind=${bind}`, "-profile=lan", "-log-level=debug"];
    for (const [key, value] of Object.entries(tags)) args.push("-tag", `${key}=${value}`);
    if (!compression) args.push("-disable-compression");
    if (keys.length > 0) {
      await writeFile(keyringFile, JSON.stringify(keys));
      args.push(`-keyring-file=${keyringFile}`);
    }
    const program = host.start(`serf ${name}`, "serf", args);
    const agent = new SerfAgent(name, host, program, keyringFile);
    await program.line("start", READY, 120_000);
    for (let attempt = 0; (await agent.command("info")).code !== 0; attempt++) {
      if (attempt > 100 || program.exit !== undefined) throw new Fault("unavailable", `${name}:\n${program.tail(10)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return agent;
  }

  /** Run one `serf` command against this agent. */
  async command(...args: readonly string[]): Promise<Result> {
    return this.host.run("serf", args);
  }

  /** `serf join`: true if the agent says that it reached the other. */
  async join(address: string): Promise<boolean> {
    return (await this.command("join", address)).code === 0;
  }

  async members(): Promise<SerfMember[]> {
    const { code, stdout, stderr } = await this.command("members", "-format", "json");
    if (code !== 0) throw new Fault("unavailable", `serf members in ${this.name}: ${(stderr || stdout).trim()}`);
    return (JSON.parse(stdout) as { members: SerfMember[] }).members;
  }

  /** The status of one member as this agent sees it; "none" when it has never heard of it. */
  async status(name: string): Promise<SerfStatus> {
    return (await this.members()).find((member) => member.name === name)?.status ?? "none";
  }

  /** The keys of its ring in base64, primary first, from the file that it keeps up to date. */
  async keyring(): Promise<string[]> {
    return JSON.parse(await readFile(this.#keyringFile, "utf8")) as string[];
  }

  /** Announce the departure and end. */
  async leave(): Promise<void> {
    await this.command("leave");
    await this.program.stop("SIGINT");
  }

  /** End without a word. */
  async kill(): Promise<void> {
    await this.program.stop("SIGKILL");
  }

  /** Log lines that matched, since `sinceMs` of the lab's clock. */
  logged(match: RegExp, sinceMs = 0): Line[] {
    return this.program.lines.filter(({ atMs, text }) => atMs >= sinceMs && match.test(text));
  }

  /** Log lines about suspicions and deaths that this agent found out, was told of, or had to deny. */
  accusations(sinceMs = 0): Line[] {
    return this.logged(/Suspect .* has failed|Marking .* as failed|Refuting a |EventMemberFailed/, sinceMs);
  }
}

/** Is there a `serf` command on this machine? */
export async function hasSerf(): Promise<boolean> {
  return (await run("serf", ["version"]).catch(() => undefined))?.code === 0;
}
