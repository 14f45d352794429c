/**
 * Our node in the tables of a real swarm: two Docker Engines with an overlay network, and a third host that has nothing
 * but the gossip keys. It sees what they publish, publishes itself, outlives their restart, and follows their keys.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type TestContext, test } from "node:test";
import { DockerEngine, type EngineGossip, type InspectedTask } from "../../src/lab/dockerd.ts";
import { Lab } from "../../src/lab/lab.ts";
import { until } from "../../src/lab/until.ts";
import { noDocker } from "../support/lab.ts";
import { TablesNode } from "../support/tables-node.ts";

const SOON_MS = 20_000;
const NETWORK = "plain";
/** As an endpoint of an engine has it. */
const newKey = (): string => randomBytes(32).toString("hex");

test("our node is a full peer of real engines' NetworkDB", { skip: noDocker }, async (t) => {
  const lab = await Lab.create(["engine-1", "engine-2", "skep"]);
  const engines: DockerEngine[] = [];
  try {
    const [one, two] = await Promise.all(
      ["engine-1", "engine-2"].map((name) => DockerEngine.start(lab, lab.host(name))),
    );
    engines.push(one!, two!);
    await new Story(t, lab, one!, two!).tell();
  } finally {
    await Promise.all(engines.map((engine) => engine.stop()));
    await lab.dispose();
  }
});

class Story {
  readonly #t: TestContext;
  readonly #lab: Lab;
  readonly #one: DockerEngine;
  readonly #two: DockerEngine;
  #network = "";
  #gossip: EngineGossip = { name: "", keys: [] };
  #node: TablesNode | undefined;

  constructor(t: TestContext, lab: Lab, one: DockerEngine, two: DockerEngine) {
    this.#t = t;
    this.#lab = lab;
    this.#one = one;
    this.#two = two;
  }

  async tell(): Promise<void> {
    await this.#swarm();
    await this.#step("it joins, and sees endpoints and peers of a running network", () => this.#sees());
    await this.#step("an engine shows a record that it publishes", () => this.#publishes());
    await this.#step("an engine forgets a record that it removes", () => this.#removes());
    await this.#step("what comes and goes on the engines is seen within seconds", () => this.#follows());
    await this.#step("it outlives the restart of an engine, which gets everything back", () => this.#restart());
    await this.#step("while an engine is frozen its records are out of sight, and return with it", () =>
      this.#frozen(),
    );
    await this.#step("a ring two rotations ahead cuts it off, and the right one brings it back", () => this.#keys());
    await this.#step("it leaves, and the engines have no trace of it", () => this.#leaves());
  }

  async #step(name: string, part: () => Promise<void>): Promise<void> {
    let failure: unknown;
    await this.#t.test(name, () =>
      part().catch((error: unknown) => {
        failure = error;
        throw error;
      }),
    );
    if (failure !== undefined) throw new Error(`the story ends at: ${name}`);
  }

  get #us(): TablesNode {
    assert.ok(this.#node, "our node runs");
    return this.#node;
  }

  async #swarm(): Promise<void> {
    await this.#two.swarmJoin(this.#one, await this.#one.swarmInit());
    await Promise.all([this.#one.importImage(), this.#two.importImage()]);
    this.#network = await this.#one.must("network", "create", "--driver", "overlay", "--attachable", NETWORK);
    await this.#one.container("c1", NETWORK);
    await this.#two.container("c2", NETWORK);
    this.#gossip = await this.#one.gossip();
  }

  async #sees(): Promise<void> {
    this.#node = await TablesNode.start(this.#lab.host("skep"), this.#gossip.keys);
    assert.equal(await this.#us.ask({ do: "join", addresses: [this.#one.host.address] }), 1);
    await this.#us.ask({ do: "attach", network: this.#network });
    await this.#endpoint("c1", true);
    await this.#endpoint("c2", true);
    const peers = [...this.#us.seen("overlay_peer_table").values()];
    const tunnels = new Set(peers.map(({ tunnelEndpointIp }) => tunnelEndpointIp));
    assert.deepEqual([...tunnels].sort(), [this.#one.host.address, this.#two.host.address]);
    assert.ok(
      peers.every(({ endpointMac }) => endpointMac?.startsWith("02:42:0a:00:01:")),
      JSON.stringify(peers),
    );
    const { nodes, drops, stats } = await this.#us.dump();
    assert.equal(nodes.filter(({ state }) => state === "active").length, 2);
    assert.deepEqual([drops, stats.bugs], [{}, 0]);
  }

  readonly #key = newKey();

  async #publishes(): Promise<void> {
    const { address } = this.#lab.host("skep");
    const record = {
      name: "from-skep",
      serviceName: "",
      serviceId: "",
      virtualIp: undefined,
      endpointIp: "10.0.1.200",
      ingressPorts: [],
      aliases: [],
      taskAliases: ["skeptic"],
      serviceDisabled: false,
    };
    const peer = { endpointIp: "10.0.1.200/24", endpointMac: "02:42:0a:00:01:c8", tunnelEndpointIp: address };
    const place = { do: "change", type: "create", network: this.#network, key: this.#key } as const;
    await this.#us.ask({ ...place, table: "overlay_peer_table", record: peer });
    await this.#us.ask({ ...place, table: "endpoint_table", record });
    for (const engine of [this.#one, this.#two]) {
      const task = await this.#task(engine, "from-skep", true);
      assert.deepEqual([task?.EndpointIP, task?.Info["Host IP"]], ["10.0.1.200", address]);
    }
    const peers = (await this.#one.inspect(NETWORK)).Peers?.map(({ IP }) => IP) ?? [];
    assert.ok(peers.includes(address), `peers: ${peers}`);
    const found = await this.#two.inside("c2", "nslookup", "skeptic", "127.0.0.11");
    assert.match(found.stdout, /10\.0\.1\.200/, found.stdout + found.stderr);
  }

  async #removes(): Promise<void> {
    for (const table of ["endpoint_table", "overlay_peer_table"] as const) {
      await this.#us.ask({ do: "change", type: "delete", network: this.#network, table, key: this.#key });
    }
    for (const engine of [this.#one, this.#two]) await this.#task(engine, "from-skep", false);
  }

  async #follows(): Promise<void> {
    await this.#two.container("c3", NETWORK);
    const cameMs = await this.#endpoint("c3", true);
    await this.#two.must("rm", "--force", "c3");
    const wentMs = await this.#endpoint("c3", false);
    this.#t.diagnostic(`a container seen after ${cameMs.toFixed(0)} ms, its end after ${wentMs.toFixed(0)} ms`);
  }

  async #restart(): Promise<void> {
    const key = newKey();
    const record = {
      name: "kept",
      serviceName: "",
      serviceId: "",
      virtualIp: undefined,
      endpointIp: "10.0.1.201",
      ingressPorts: [],
      aliases: [],
      taskAliases: [],
      serviceDisabled: false,
    };
    const place = { do: "change", network: this.#network, key, table: "endpoint_table" } as const;
    await this.#us.ask({ ...place, type: "create", record });
    await this.#task(this.#two, "kept", true);
    await this.#two.restart();
    await this.#two.must("start", "c2");
    const tookMs = await this.#endpoint("c2", true);
    await this.#task(this.#two, "kept", true);
    this.#t.diagnostic(`the restarted engine's container seen ${tookMs.toFixed(0)} ms after it was started again`);
    await this.#us.ask({ ...place, type: "delete" });
  }

  async #frozen(): Promise<void> {
    this.#two.program.signal("SIGSTOP");
    const tookMs = await this.#endpoint("c2", false, 60_000);
    this.#two.program.signal("SIGCONT");
    const backMs = await this.#endpoint("c2", true, 60_000);
    this.#t.diagnostic(`out of sight after ${tookMs.toFixed(0)} ms, back after ${backMs.toFixed(0)} ms`);
  }

  /** Engines rotate every 12 hours and on no command, so the ring of our side is what moves here. */
  async #keys(): Promise<void> {
    const [primary, oldest, newest] = this.#gossip.keys.map((key) => Buffer.from(key).toString("hex"));
    const fresh = (): string => randomBytes(16).toString("hex");
    const isAlone = async (): Promise<boolean> =>
      (await this.#us.dump()).nodes.every(({ state }) => state !== "active");
    // One rotation ahead: the engines open what we seal with their newest key, and we what they seal with our oldest.
    await this.#us.ask({ do: "keys", keys: [primary!, newest!, fresh()] });
    await this.#sightOf("c4");
    await this.#us.ask({ do: "keys", keys: [fresh(), fresh(), fresh()] });
    await until("cut off by foreign keys", 60_000, isAlone);
    await this.#us.ask({ do: "keys", keys: [oldest!, primary!, newest!] });
    const { tookMs } = await until("back with the right keys", 60_000, async () => !(await isAlone()));
    await this.#sightOf("c5");
    this.#t.diagnostic(`back ${tookMs.toFixed(0)} ms after the right ring was set`);
  }

  async #sightOf(name: string): Promise<void> {
    await this.#one.container(name, NETWORK);
    await this.#endpoint(name, true, 60_000);
    await this.#one.must("rm", "--force", name);
    await this.#endpoint(name, false, 60_000);
  }

  async #leaves(): Promise<void> {
    const { address } = this.#lab.host("skep");
    await this.#us.ask({ do: "leave" });
    await this.#us.kill();
    await until("no trace of us", 60_000, async () => {
      const { Peers: peers = [] } = await this.#one.inspect(NETWORK);
      return !peers.some(({ IP }) => IP === address);
    });
  }

  /** Until our node sees an endpoint of this name, or no longer does; how long that took. */
  async #endpoint(name: string, isThere: boolean, withinMs = SOON_MS): Promise<number> {
    const { tookMs } = await until(
      `${name} ${isThere ? "seen" : "gone"}`,
      withinMs,
      () => [...this.#us.seen("endpoint_table").values()].some((record) => record.name === name) === isThere,
      async () => {
        const { nodes, networks, entries, drops, counts } = await this.#us.dump();
        return JSON.stringify({ nodes, networks, entries: entries.length, drops, counts });
      },
    );
    return tookMs;
  }

  /** Until `docker network inspect --verbose` shows a task of this name, or no longer does. */
  async #task(engine: DockerEngine, name: string, isThere: boolean): Promise<InspectedTask | undefined> {
    let last: InspectedTask | undefined;
    await until(`${name} on ${engine.name}`, SOON_MS, async () => {
      const { Services: services = {} } = await engine.inspect(NETWORK);
      last = Object.values(services)
        .flatMap(({ Tasks }) => Tasks)
        .find(({ Name }) => Name === name);
      return (last !== undefined) === isThere;
    });
    return last;
  }
}
