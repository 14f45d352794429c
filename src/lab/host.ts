/**
 * One host of a lab: a network namespace with `eth0` on the lab's switch. Runs programs inside; ends those it started.
 */
import { must, Program, type Result, run } from "./program.ts";

export class Host {
  readonly name: string;
  readonly namespace: string;
  /** IPv4, in 10.99.0.0/24. */
  readonly address: string;
  /** IPv6, in fd99::/64. */
  readonly address6: string;
  readonly #programs = new Set<Program>();

  /** `name` is also the name of its switch port: at most 15 letters. `number`: 1..250, unique in the lab. */
  constructor(name: string, namespace: string, number: number) {
    this.name = name;
    this.namespace = namespace;
    this.address = `10.99.0.${number}`;
    this.address6 = `fd99::${number.toString(16)}`;
  }

  /** Addresses without duplicate detection: they are usable at once. */
  async raiseLinks(): Promise<void> {
    const batch = [
      "link set lo up",
      "link set eth0 up",
      `addr add ${this.address}/24 dev eth0`,
      `addr add ${this.address6}/64 dev eth0 nodad`,
    ];
    await must("ip", ["-n", this.namespace, "-batch", "-"], `${batch.join("\n")}\n`);
  }

  /** Start a program in this host; it is ended with the lab at the latest. Its pid is the program's own. */
  start(name: string, command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Program {
    return this.#watch(new Program(name, "ip", ["netns", "exec", this.namespace, command, ...args], env));
  }

  /** The same for a program that needs the machine's own `/sys` (for its control groups), and mounts of its own. */
  startWithSys(name: string, command: string, args: readonly string[]): Program {
    const enter = [`--net=/run/netns/${this.namespace}`, "unshare", "--mount"];
    return this.#watch(new Program(name, "nsenter", [...enter, command, ...args]));
  }

  #watch(program: Program): Program {
    this.#programs.add(program);
    void program.exited.then(() => this.#programs.delete(program));
    return program;
  }

  /** Run a command in this host to its end. */
  async run(command: string, args: readonly string[], withinMs = 30_000): Promise<Result> {
    return run("ip", ["netns", "exec", this.namespace, command, ...args], { withinMs });
  }

  /** Kill everything started here, stopped (SIGSTOP) programs too. */
  async stop(): Promise<void> {
    await Promise.all([...this.#programs].map((program) => program.stop("SIGKILL")));
  }
}
