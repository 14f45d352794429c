/**
 * Three real serf agents and three of our nodes are one cluster, and neither kind can tell the other from its own.
 *
 * Each suite is one story in namespaces on one switch: nobody sleeps for luck, everything waits for its condition with
 * a generous deadline. During the first minute (joins done) nobody may suspect anybody, although tags change, keys are
 * rotated from both sides and strangers with a wrong key knock. Afterwards nodes are stopped, cut off, killed and
 * asked to leave. Two suites run side by side, for AES-128 and for AES-256.
 */
import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { overhear } from "../../src/lab/eavesdropper.ts";
import { SerfAgent } from "../../src/lab/serf.ts";
import { until } from "../../src/lab/until.ts";
import { freshKey, noSerf } from "../support/lab.ts";
import { MixedCluster, statuses, symmetricKey, tagSeen } from "../support/mixed-cluster.ts";
import { Peer } from "../support/peer.ts";

const WATCH_MS = 60_000;
const ASK_ATTEMPTS = 3;
const serfs = ["serf-1", "serf-2", "serf-3"];
const peers = ["skep-1", "skep-2", "skep-3"];
const everybody = [...serfs, ...peers];

interface Suite {
  readonly keyBytes: number;
  /** Off in one suite, so that the search for words is not won by compression. */
  readonly compression: boolean;
  /** Who finds the other half after a partition. */
  readonly healer: "serf" | "skep";
}

const suites: readonly Suite[] = [
  { keyBytes: 16, compression: false, healer: "skep" },
  { keyBytes: 32, compression: true, healer: "serf" },
];

describe("serf agents and our nodes", { concurrency: true, skip: noSerf }, () => {
  for (const suite of suites) {
    test(`AES-${suite.keyBytes * 8}, ${suite.compression ? "compressed" : "not compressed"}`, (t) => story(t, suite));
  }
});

async function story(t: TestContext, suite: Suite): Promise<void> {
  const key = freshKey(suite.keyBytes);
  const spare = ["wrong-1", "wrong-2"];
  const cluster = await MixedCluster.start({ serfs, peers, spare, key, compression: suite.compression });
  try {
    await new Story(t, cluster, suite, key).tell();
  } finally {
    await cluster.dispose();
  }
}

class Story {
  readonly #t: TestContext;
  readonly #cluster: MixedCluster;
  readonly #suite: Suite;
  #key: string;
  readonly #keys: string[];

  constructor(t: TestContext, cluster: MixedCluster, suite: Suite, key: string) {
    this.#t = t;
    this.#cluster = cluster;
    this.#suite = suite;
    this.#key = key;
    this.#keys = [key];
  }

  async tell(): Promise<void> {
    await this.#step("a node joins either kind through either kind", () => this.#join());
    const calmSinceMs = performance.now();
    await this.#step("a user event of either kind reaches everybody", () => this.#events());
    await this.#step("changed tags of either kind are seen by everybody", () => this.#tags());
    await this.#step("serf keys -install, -use and -remove succeed on everybody", () => this.#rotateBySerf());
    await this.#step("a rotation led by our node succeeds on everybody", () => this.#rotateByUs());
    await this.#step("a node of either kind with a wrong key is refused and counted", () => this.#strangers());
    await this.#step("a minute passes without one suspicion", () => this.#calm(calmSinceMs));
    await this.#step("a node that is blocked for a second is not given up", () => this.#blocked());
    await this.#step("nodes that are stopped for ten seconds are missed and come back", () => this.#stopped());
    await this.#step("a partition is seen by both halves and heals", () => this.#partition());
    await this.#step("a killed node of either kind is found failed by everybody", () => this.#crash());
    await this.#step("a node of either kind that leaves is seen to have left", () => this.#leave());
    await this.#step("nothing on the wire was readable", () => this.#wire());
  }

  /** One part of the story; when it fails, the rest makes no sense. */
  async #step(name: string, part: () => Promise<void>): Promise<void> {
    let failure: unknown;
    await this.#t.test(name, async () => {
      try {
        await part();
      } catch (error) {
        failure = error;
        throw error;
      }
    });
    if (failure !== undefined) throw new Error(`the story ends at: ${name}`);
  }

  async #join(): Promise<void> {
    const c = this.#cluster;
    const address = (name: string): string => c.lab.host(name).address;
    assert.equal(await c.peer("skep-1").join(address("serf-1")), true, "ours joins serf");
    assert.equal(await c.serf("serf-2").join(address("skep-1")), true, "serf joins ours");
    assert.equal(await c.peer("skep-2").join(address("skep-1")), true, "ours joins ours");
    assert.equal(await c.serf("serf-3").join(address("serf-1")), true, "serf joins serf");
    assert.equal(await c.peer("skep-3").join(address("serf-2")), true, "ours joins serf that came later");
    const tookMs = await c.agree(c.nodes, everybody, "alive", 20_000);
    this.#t.diagnostic(`all six alive on all six ${tookMs.toFixed(0)} ms after the last join`);
  }

  async #events(): Promise<void> {
    const c = this.#cluster;
    assert.equal((await c.serf("serf-1").command("event", "from-serf", "seventeen")).code, 0);
    await c.peer("skep-1").ask({ do: "event", name: "from-skep", payload: "eighteen" });
    await until("serf's event on ours", 10_000, () =>
      c.peers.every(({ said }) =>
        said.some(({ event, name, payload }) => event === "user" && name === "from-serf" && payload === "seventeen"),
      ),
    );
    for (const agent of c.serfs) await agent.program.line("our event", /user-event: from-skep/, 10_000);
  }

  async #tags(): Promise<void> {
    const c = this.#cluster;
    assert.equal((await c.serf("serf-1").command("tags", "-set", "colour=red")).code, 0);
    await c.peer("skep-1").ask({ do: "tags", tags: { colour: "blue" } });
    await until("new tags everywhere", 10_000, async () => {
      const red = await Promise.all(c.nodes.map((node) => tagSeen(node, "serf-1", "colour")));
      const blue = await Promise.all(c.nodes.map((node) => tagSeen(node, "skep-1", "colour")));
      return red.every((colour) => colour === "red") && blue.every((colour) => colour === "blue");
    });
  }

  async #rotateBySerf(): Promise<void> {
    const [agent, next] = [this.#cluster.serf("serf-2"), this.#nextKey()];
    for (const operation of [`-install=${next}`, `-use=${next}`, `-remove=${this.#key}`]) {
      await this.#asked(operation, async () => {
        const { code, stdout, stderr } = await agent.command("keys", operation);
        return code === 0 ? undefined : stdout + stderr;
      });
    }
    const { stdout } = await agent.command("keys", "-list");
    assert.match(stdout, /\[6\/6\]/);
    await this.#onlyKey(next);
  }

  async #rotateByUs(): Promise<void> {
    const [peer, next] = [this.#cluster.peer("skep-2"), this.#nextKey()];
    const operations = [
      ["install-key", next],
      ["use-key", next],
      ["remove-key", this.#key],
    ] as const;
    const all = everybody.filter((name) => name !== "skep-2").map((name) => `${name} true`);
    for (const [operation, key] of operations) {
      await this.#asked(operation, async () => {
        const { answers } = await peer.keys(operation, key);
        const heard = answers.map(({ from, ok }) => `${from} ${ok}`).sort();
        return `${heard}` === `${all}` ? undefined : `only ${heard}`;
      });
    }
    await this.#onlyKey(next);
  }

  /**
   * Ask everybody by a query of serf's, and once more if not all answered. A query is a rumour, told four times by each
   * of six: about one in sixty misses somebody, among serf agents alone just the same.
   */
  async #asked(operation: string, ask: () => Promise<string | undefined>): Promise<void> {
    let missed: string | undefined;
    for (let attempt = 1; attempt <= ASK_ATTEMPTS; attempt++) {
      missed = await ask();
      if (missed === undefined) return;
      this.#t.diagnostic(`${operation.replace(/=.*/, "")}, attempt ${attempt}: ${missed.trim()}`);
    }
    assert.fail(`${operation}: ${missed}`);
  }

  #nextKey(): string {
    const next = freshKey(this.#suite.keyBytes);
    this.#keys.push(next);
    return next;
  }

  async #onlyKey(key: string): Promise<void> {
    for (const node of this.#cluster.nodes) assert.deepEqual(await node.keyring(), [key], node.name);
    this.#key = key;
  }

  async #strangers(): Promise<void> {
    const { lab, serfs: agents, peers: ours } = this.#cluster;
    const wrong = this.#nextKey();
    const own = { keys: [wrong], tags: {}, compression: this.#suite.compression };
    const [agent, peer] = await Promise.all([
      SerfAgent.start(lab, lab.host("wrong-1"), { ...own, name: "wrong-1" }),
      Peer.start(lab.host("wrong-2"), { ...own, name: "wrong-2" }),
    ]);
    for (const target of [lab.host("serf-1").address, lab.host("skep-1").address]) {
      assert.equal(await agent.join(target), false, `serf joins ${target}`);
      assert.equal(await peer.join(target), false, `ours joins ${target}`);
    }
    const [insider] = ours;
    const drops = (await insider?.stats())?.drops;
    assert.ok((drops?.undecryptable ?? 0) >= 2, `our node counted ${JSON.stringify(drops)}`);
    assert.ok((agents[0]?.logged(/No installed keys could decrypt/i) ?? []).length >= 2, "serf's log says so too");
    for (const node of this.#cluster.nodes) {
      assert.deepEqual([...(await statuses(node)).keys()].sort(), everybody, `what ${node.name} knows`);
    }
    await Promise.all([agent.kill(), peer.kill()]);
  }

  async #calm(sinceMs: number): Promise<void> {
    await sleep(sinceMs + WATCH_MS - performance.now());
    await this.#cluster.agree(this.#cluster.nodes, everybody, "alive", 1_000);
    assert.deepEqual(this.#cluster.accusations(sinceMs), []);
    for (const peer of this.#cluster.peers) {
      const { bugs, drops, wakes } = await peer.stats();
      assert.equal(bugs, 0, `${peer.name} met bugs of ours`);
      const { undecryptable: _strangers, ...others } = drops;
      assert.deepEqual(
        Object.entries(others).filter(([, count]) => count > 0),
        [],
        `what ${peer.name} dropped`,
      );
      this.#t.diagnostic(`${peer.name}: ${JSON.stringify(wakes)}`);
    }
  }

  async #blocked(): Promise<void> {
    const sinceMs = performance.now();
    const { program } = this.#cluster.peer("skep-2");
    program.signal("SIGSTOP");
    await sleep(1_000);
    program.signal("SIGCONT");
    // Whoever suspected it would give it up after four seconds at the earliest.
    await sleep(6_000);
    await this.#cluster.agree(this.#cluster.nodes, everybody, "alive", 5_000);
    const deaths = this.#cluster.accusations(sinceMs).filter((line) => /Marking|EventMemberFailed|"leave"/.test(line));
    assert.deepEqual(deaths, []);
  }

  async #stopped(): Promise<void> {
    const c = this.#cluster;
    const stopped = [c.serf("serf-2"), c.peer("skep-3")];
    const rest = c.nodes.filter((node) => !stopped.includes(node as never));
    for (const { program } of stopped) program.signal("SIGSTOP");
    await sleep(10_000);
    const tookMs = await c.agree(rest, ["serf-2", "skep-3"], "failed", 40_000);
    for (const { program } of stopped) program.signal("SIGCONT");
    const backMs = await c.agree(c.nodes, everybody, "alive", 60_000);
    this.#t.diagnostic(
      `failed everywhere after ${(tookMs + 10_000).toFixed(0)} ms at most, back after ${backMs.toFixed(0)} ms`,
    );
  }

  async #partition(): Promise<void> {
    const c = this.#cluster;
    const halves = [
      ["serf-1", "serf-2", "skep-1"],
      ["serf-3", "skep-2", "skep-3"],
    ] as const;
    const [one, other] = halves.map((half) => c.nodes.filter(({ name }) => half.some((own) => own === name)));
    assert.ok(one !== undefined && other !== undefined);
    await c.lab.partition(
      one.map(({ host }) => host),
      other.map(({ host }) => host),
    );
    const seenMs = await Promise.all([
      c.agree(one, halves[1], "failed", 60_000),
      c.agree(other, halves[0], "failed", 60_000),
    ]);
    await c.lab.heal();
    if (this.#suite.healer === "skep") await c.peer("skep-2").join(c.lab.host("serf-1").address);
    const healedMs = await c.agree(c.nodes, everybody, "alive", 100_000);
    this.#t.diagnostic(
      `seen after ${seenMs.map((ms) => ms.toFixed(0))} ms, healed by ${this.#suite.healer} after ${healedMs.toFixed(0)} ms`,
    );
  }

  async #crash(): Promise<void> {
    const c = this.#cluster;
    const rest = c.nodes.filter(({ name }) => name !== "serf-3" && name !== "skep-3");
    await Promise.all([c.serf("serf-3").kill(), c.peer("skep-3").kill()]);
    const tookMs = await c.agree(rest, ["serf-3", "skep-3"], "failed", 60_000);
    this.#t.diagnostic(`failed everywhere after ${tookMs.toFixed(0)} ms`);
  }

  async #leave(): Promise<void> {
    const c = this.#cluster;
    const rest = [c.serf("serf-1"), c.peer("skep-1")];
    await c.peer("skep-2").leave();
    await c.agree([...rest, c.serf("serf-2")], ["skep-2"], "left", 15_000);
    await c.serf("serf-2").leave();
    await c.agree(rest, ["serf-2"], "left", 15_000);
  }

  async #wire(): Promise<void> {
    await this.#cluster.capture.stop();
    const secrets = [
      ...everybody,
      "wrong-1",
      "wrong-2",
      "colour",
      "from-serf",
      "from-skep",
      "seventeen",
      "eighteen",
      "_serf_",
    ];
    const heard = await overhear(this.#cluster.capture, [...secrets, ...this.#keys], this.#keys.map(symmetricKey));
    this.#t.diagnostic(`${heard.datagrams} datagrams and ${heard.streams} stream directions captured`);
    assert.deepEqual([...heard.words], []);
    assert.ok(heard.datagrams > 1_000);
    assert.equal(heard.sealed, heard.datagrams);
    assert.ok(heard.streams > 20);
    assert.equal(heard.streamsInClear, 0);
  }
}
