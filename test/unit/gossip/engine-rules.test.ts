/** The rules of memberlist, one at a time, on one engine that the test steps. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type GossipConfig, lan } from "../../../src/gossip/config.ts";
import type { Delegate, GossipEffect, GossipInput, MemberEvent } from "../../../src/gossip/effects.ts";
import { GossipEngine } from "../../../src/gossip/engine.ts";
import { allImprovements, type Improvements, noImprovements } from "../../../src/gossip/improvements.ts";
import type { Alive, MemberState, PacketMessage, PushNodeState } from "../../../src/gossip/messages.ts";
import { quietDelegate } from "../../../src/gossip/quiet-delegate.ts";
import { SeededRandom } from "../../../src/sim/random.ts";

const VSN = Uint8Array.of(1, 5, 2, 0, 0, 0);
const FROM = { address: "10.0.0.99", port: 7946 };

function addr(name: string): Uint8Array {
  return Uint8Array.of(10, 0, 0, name.charCodeAt(0));
}

function alive(node: string, incarnation = 1, changes: Partial<Alive> = {}): Alive {
  return { kind: "alive", incarnation, node, addr: addr(node), port: 7946, meta: null, vsn: VSN, ...changes };
}

/** An engine called "me" with a clock. */
class Bench {
  now = 1_000;
  readonly engine: GossipEngine;

  constructor(
    options: {
      config?: Partial<GossipConfig>;
      improvements?: Improvements;
      delegate?: Partial<Delegate>;
      incarnation?: number;
    } = {},
  ) {
    const { config, improvements = allImprovements, delegate, incarnation = 100 } = options;
    this.engine = new GossipEngine(
      {
        config: { ...lan, ...config },
        name: "me",
        addr: addr("me"),
        port: 7946,
        incarnation,
        encrypted: () => true,
        improvements,
      },
      { random: new SeededRandom(7, "bench"), delegate: { ...quietDelegate, ...delegate } },
    );
    this.give({ on: "start" });
  }

  give(input: GossipInput): GossipEffect[] {
    return this.engine.step(this.now, input);
  }

  hear(...messages: readonly PacketMessage[]): GossipEffect[] {
    return this.give({ on: "packet", from: FROM, messages });
  }

  /** Serve all deadlines until `now + durationMs`; each step must make progress. */
  run(durationMs: number): GossipEffect[] {
    const end = this.now + durationMs;
    const effects: GossipEffect[] = [];
    for (let steps = 0; this.engine.deadline() <= end; steps++) {
      assert.ok(steps < 100_000, "a deadline that is served moves on");
      this.now = Math.max(this.now, this.engine.deadline());
      effects.push(...this.engine.step(this.now, { on: "wake" }));
    }
    this.now = end;
    return effects;
  }

  state(name: string): MemberState | undefined {
    return this.engine.member(name)?.state;
  }

  /** Run, and answer every ping as if its target did. */
  runAnswering(durationMs: number): GossipEffect[] {
    const end = this.now + durationMs;
    const effects: GossipEffect[] = [];
    while (this.engine.deadline() <= end) {
      this.now = Math.max(this.now, this.engine.deadline());
      const step = this.engine.step(this.now, { on: "wake" });
      effects.push(...step);
      for (const { seqNo } of pings(step)) effects.push(...this.hear({ kind: "ack", seqNo, payload: null }));
    }
    this.now = end;
    return effects;
  }
}

function told(effects: readonly GossipEffect[]): MemberEvent["kind"][] {
  return effects.flatMap((effect) => (effect.do === "tell" ? [effect.event.kind] : []));
}

function sent(effects: readonly GossipEffect[]): PacketMessage[] {
  return effects.flatMap((effect) => (effect.do === "packet" ? effect.messages : []));
}

function pings(effects: readonly GossipEffect[]): { seqNo: number; node: string }[] {
  return sent(effects).flatMap((message) => (message.kind === "ping" ? [message] : []));
}

function dropped(effects: readonly GossipEffect[]): string[] {
  return effects.flatMap((effect) => (effect.do === "drop" ? [effect.code] : []));
}

describe("alive", () => {
  test("a newcomer joins, and is told on", () => {
    const bench = new Bench();
    assert.deepEqual(told(bench.hear(alive("a"))), ["join"]);
    assert.ok(sent(bench.run(300)).some((message) => message.kind === "alive" && message.node === "a"));
  });
  test("incarnation 0 makes nobody alive", () => {
    const bench = new Bench();
    assert.deepEqual(told(bench.hear(alive("a", 0))), []);
    assert.equal(bench.state("a"), undefined);
  });
  test("what is not newer is no news, a changed meta is", () => {
    const bench = new Bench();
    bench.hear(alive("a", 5));
    for (const incarnation of [5, 4]) {
      assert.deepEqual(told(bench.hear(alive("a", incarnation, { meta: Uint8Array.of(1) }))), []);
    }
    assert.deepEqual(told(bench.hear(alive("a", 6, { meta: Uint8Array.of(1) }))), ["update"]);
    assert.deepEqual([...(bench.engine.member("a")?.meta ?? [])], [1]);
  });
  test("nil and empty meta are the same", () => {
    const bench = new Bench();
    bench.hear(alive("a", 1, { meta: null }));
    assert.deepEqual(told(bench.hear(alive("a", 2, { meta: new Uint8Array(0) }))), []);
  });
  test("a live name stays with its address, a left one may move, a dead one only when that is allowed", () => {
    const moved = { addr: addr("z") };
    const bench = new Bench();
    bench.hear(alive("a", 1));
    assert.deepEqual(told(bench.hear(alive("a", 9, moved))), ["conflict"]);
    bench.hear({ kind: "dead", incarnation: 1, node: "a", from: "b" });
    assert.deepEqual(told(bench.hear(alive("a", 9, moved))), ["conflict"]);
    bench.hear(alive("a", 2));
    bench.hear({ kind: "dead", incarnation: 2, node: "a", from: "a" });
    assert.equal(bench.state("a"), "left");
    assert.deepEqual(told(bench.hear(alive("a", 1, moved))), ["join"]);
    const reclaiming = new Bench({ config: { deadNodeReclaimTimeMs: 10 } });
    reclaiming.hear(alive("a", 1), { kind: "dead", incarnation: 1, node: "a", from: "b" });
    reclaiming.now += 20;
    assert.deepEqual(told(reclaiming.hear(alive("a", 1, moved))), ["join"]);
  });
  test("addresses outside the allowed networks, and impossible versions, are refused and counted", () => {
    const bench = new Bench({ config: { cidrsAllowed: ["192.168.0.0/16"] } });
    assert.deepEqual(dropped(bench.hear(alive("a"))), ["notAllowed"]);
    const open = new Bench();
    assert.deepEqual(dropped(open.hear(alive("a", 1, { vsn: Uint8Array.of(0, 5, 2, 0, 0, 0) }))), ["invalidMember"]);
    assert.deepEqual(dropped(open.hear(alive("a", 1, { vsn: Uint8Array.of(1, 5, 2, 3, 3, 3) }))), [
      "incompatibleVersion",
    ]);
    assert.equal(open.engine.memberCount(), 1);
  });
  test("as upstream has it, a rumour of impossible versions passes", () => {
    const bench = new Bench({ improvements: noImprovements });
    assert.deepEqual(told(bench.hear(alive("a", 1, { vsn: Uint8Array.of(1, 5, 2, 3, 3, 3) }))), ["join"]);
  });
});

describe("what is said of ourselves", () => {
  for (const kind of ["suspect", "dead"] as const) {
    test(`${kind}: is refuted with an incarnation above it`, () => {
      const bench = new Bench();
      const effects = bench.hear({ kind, incarnation: 150, node: "me", from: "b" });
      assert.deepEqual(told(effects), ["accused"]);
      assert.equal(bench.engine.self().incarnation, 151);
      assert.equal(bench.engine.healthScore(), 1);
    });
  }
  test("an accusation of an earlier life is ignored", () => {
    const bench = new Bench();
    assert.deepEqual(bench.hear({ kind: "dead", incarnation: 99, node: "me", from: "b" }), []);
    assert.equal(bench.engine.self().incarnation, 100);
  });
  test("an accusation that could not be refuted is refused", () => {
    const bench = new Bench();
    assert.deepEqual(dropped(bench.hear({ kind: "dead", incarnation: 0xffff_ffff, node: "me", from: "b" })), [
      "invalidMember",
    ]);
    bench.hear({ kind: "dead", incarnation: 0xffff_fffe, node: "me", from: "b" });
    assert.equal(bench.engine.self().incarnation, 0xffff_ffff);
    assert.equal(bench.state("me"), "alive");
  });
  test("alive with our own words is an echo; with others it is refuted", () => {
    const bench = new Bench();
    const { incarnation, vsn } = bench.engine.self();
    assert.deepEqual(bench.hear(alive("me", incarnation, { addr: addr("me"), vsn })), []);
    const forged = alive("me", incarnation, { addr: addr("me"), vsn, meta: Uint8Array.of(9) });
    assert.deepEqual(told(bench.hear(forged)), ["accused"]);
    assert.equal(bench.engine.self().incarnation, incarnation + 1);
  });
  test("a table that has us as left makes us object, so that a return is believed", () => {
    const bench = new Bench();
    const row: PushNodeState = {
      name: "me",
      addr: addr("me"),
      port: 7946,
      meta: null,
      incarnation: 100,
      state: "left",
      vsn: VSN,
    };
    const message = { kind: "pushPull", join: false, nodes: [row], userState: new Uint8Array(0) } as const;
    bench.give({ on: "request", exchange: 1, from: FROM, message });
    assert.equal(bench.engine.self().incarnation, 101);
  });
});

describe("suspicion and death", () => {
  test("suspect, told once by each accuser, then dead; a denial ends it", () => {
    const bench = new Bench();
    for (const name of ["a", "b", "c", "d", "e"]) bench.hear(alive(name));
    assert.deepEqual(told(bench.hear({ kind: "suspect", incarnation: 1, node: "a", from: "b" })), ["suspect"]);
    assert.deepEqual(told(bench.hear(alive("a", 2))), ["refute"]);
    assert.equal(bench.state("a"), "alive");
    bench.hear({ kind: "suspect", incarnation: 1, node: "a", from: "b" });
    assert.equal(bench.state("a"), "alive", "an old accusation");
  });
  test("a suspicion lasts 4 s with two more accusers, 24 s alone", () => {
    const times = [0, 2].map((confirmations) => {
      const bench = new Bench({ improvements: noImprovements });
      for (const name of ["a", "b", "c", "d", "e"]) bench.hear(alive(name));
      for (const from of ["b", "c", "d"].slice(0, 1 + confirmations)) {
        bench.hear({ kind: "suspect", incarnation: 1, node: "a", from });
      }
      const startedAt = bench.now;
      while (bench.state("a") === "suspect") bench.runAnswering(100);
      return bench.now - startedAt;
    });
    assert.deepEqual(times, [24_000, 4_000]);
  });
  test("dead by somebody else is dead, by itself is left; both are forgotten later", () => {
    const bench = new Bench();
    bench.hear(alive("a"), alive("b"), alive("c"));
    bench.hear({ kind: "dead", incarnation: 1, node: "a", from: "b" });
    bench.hear({ kind: "dead", incarnation: 1, node: "b", from: "b" });
    assert.deepEqual([bench.state("a"), bench.state("b")], ["dead", "left"]);
    bench.runAnswering(40_000);
    assert.deepEqual([bench.state("a"), bench.state("b"), bench.state("c")], [undefined, undefined, "alive"]);
  });
  test("in a table, dead is only suspected, and left is believed", () => {
    const bench = new Bench();
    bench.hear(alive("a"), alive("b"));
    const rows = [
      ["a", "dead"],
      ["b", "left"],
    ] as const;
    const nodes = rows.map(([name, state]): PushNodeState => {
      return { name, addr: addr(name), port: 7946, meta: null, incarnation: 1, state, vsn: VSN };
    });
    const message = { kind: "pushPull", join: false, nodes, userState: new Uint8Array(0) } as const;
    bench.give({ on: "request", exchange: 1, from: FROM, message });
    assert.deepEqual([bench.state("a"), bench.state("b")], ["suspect", "left"]);
  });
});

describe("probes", () => {
  test("ping, then three others and TCP, then suspicion; an ack at any time ends it well", () => {
    const bench = new Bench();
    for (const name of ["a", "b", "c", "d", "e"]) bench.hear(alive(name));
    const effects = bench.run(2_100);
    const [first] = pings(effects);
    const indirect = sent(effects).filter((message) => message.kind === "indirectPing");
    assert.ok(indirect.length >= 3 && indirect.length % 3 === 0, `${indirect.length} helpers`);
    assert.ok(indirect.every((message) => message.kind === "indirectPing" && message.nack));
    const dials = effects.filter((effect) => effect.do === "dial" && effect.expects === "ack");
    assert.ok(dials.length >= 1);
    assert.ok(told(effects).includes("suspect"));
    assert.equal(bench.state(first?.node ?? ""), "suspect");
    const calm = new Bench();
    for (const name of ["a", "b", "c"]) calm.hear(alive(name));
    assert.ok(!told(calm.runAnswering(30_000)).includes("suspect"));
  });
  test("a TCP ack is enough", () => {
    const bench = new Bench();
    bench.hear(alive("a"));
    const effects: GossipEffect[] = [];
    for (let round = 0; round < 200; round++) {
      const step = bench.run(50);
      effects.push(...step);
      for (const effect of step) {
        if (effect.do !== "dial" || effect.message.kind !== "ping") continue;
        const { seqNo } = effect.message;
        bench.give({ on: "response", exchange: effect.exchange, message: { kind: "ack", seqNo, payload: null } });
      }
    }
    assert.ok(!told(effects).includes("suspect"));
  });
  test("a suspect is told so in the packet that probes it", () => {
    const bench = new Bench();
    bench.hear(alive("a"), { kind: "suspect", incarnation: 1, node: "a", from: "b" });
    const probe = bench
      .run(1_100)
      .find((effect) => effect.do === "packet" && effect.messages.some(({ kind }) => kind === "ping"));
    assert.ok(probe?.do === "packet");
    assert.deepEqual(
      probe.messages.map(({ kind }) => kind),
      ["ping", "suspect"],
    );
    assert.equal(probe.crc, true);
  });
  test("after a late wake nobody is accused before the sockets were read, and only once", () => {
    const late = (improvements: Improvements): boolean => {
      const bench = new Bench({ improvements });
      bench.hear(alive("a"));
      let ping: { seqNo: number } | undefined;
      while (ping === undefined) {
        bench.now = bench.engine.deadline();
        [ping] = pings(bench.engine.step(bench.now, { on: "wake" }));
      }
      // The process sleeps for five seconds; the ack lies in the socket.
      bench.now += 5_000;
      bench.engine.step(bench.now, { on: "wake" });
      if (bench.engine.deadline() <= bench.now) bench.engine.step(bench.now, { on: "wake" });
      bench.hear({ kind: "ack", seqNo: ping.seqNo, payload: null });
      return bench.state("a") === "alive";
    };
    assert.deepEqual([late(allImprovements), late(noImprovements)], [true, false]);
  });
});

describe("answers", () => {
  test("a ping for somebody else, or for nobody in particular", () => {
    const bench = new Bench();
    assert.deepEqual(sent(bench.hear({ kind: "ping", seqNo: 1, node: "other" })), []);
    for (const node of ["", "me"]) {
      assert.ok(
        sent(bench.hear({ kind: "ping", seqNo: 2, node })).some(({ kind }) => kind === "ack"),
        node,
      );
    }
  });
  test("an ack goes where our table has the asker, not where a forged source says", () => {
    const bench = new Bench();
    bench.hear(alive("a"));
    const victim = { sourceAddr: addr("v"), sourcePort: 53, sourceNode: "a" };
    const [effect] = bench.hear({ kind: "ping", seqNo: 1, node: "me", ...victim });
    assert.ok(effect?.do === "packet");
    assert.equal(effect.to.address, "10.0.0.97");
  });
  test("strangers get a ration of acks", () => {
    const bench = new Bench();
    const ping = { kind: "ping", seqNo: 1, node: "me", sourceAddr: addr("v"), sourcePort: 53 } as const;
    const effects = Array.from({ length: 1_000 }, () => bench.hear(ping)).flat();
    assert.equal(sent(effects).filter(({ kind }) => kind === "ack").length, 200);
    assert.equal(dropped(effects).filter((code) => code === "rateLimited").length, 800);
  });
  test("an indirect ping is passed on; its answer too, or a nack after half a second", () => {
    const bench = new Bench();
    bench.hear(alive("a"), alive("b"));
    const source = { sourceAddr: addr("b"), sourcePort: 7946, sourceNode: "b" };
    const ask = {
      kind: "indirectPing",
      seqNo: 77,
      target: addr("a"),
      port: 7946,
      node: "a",
      nack: true,
      ...source,
    } as const;
    const [passed] = pings(bench.hear(ask));
    assert.equal(passed?.node, "a");
    const back = sent(bench.hear({ kind: "ack", seqNo: passed?.seqNo ?? 0, payload: null }));
    assert.deepEqual(
      back.find(({ kind }) => kind === "ack"),
      { kind: "ack", seqNo: 77, payload: null },
    );
    bench.hear(ask);
    const nacks = sent(bench.run(600)).filter(({ kind }) => kind === "nack");
    assert.deepEqual(nacks, [{ kind: "nack", seqNo: 77 }]);
  });
});

describe("exchanges and goodbyes", () => {
  test("a request is answered with our table before theirs is judged", () => {
    const bench = new Bench();
    const row = { name: "a", addr: addr("a"), port: 7946, meta: null, incarnation: 1, state: "alive" } as const;
    const bad = { ...row, vsn: Uint8Array.of(1, 5, 2, 4, 5, 5) };
    const message = { kind: "pushPull", join: true, nodes: [bad], userState: Uint8Array.of(1) } as const;
    const effects = bench.give({ on: "request", exchange: 3, from: FROM, message });
    assert.equal(effects[0]?.do, "reply");
    assert.deepEqual(dropped(effects), ["incompatibleVersion"]);
    assert.equal(bench.state("a"), undefined);
    assert.ok(!effects.some((effect) => effect.do === "remoteState"));
  });
  test("a join is done once the answer has been merged, or failed with the reason", () => {
    const bench = new Bench();
    const dial = bench.give({ on: "join", join: 5, to: FROM }).find((effect) => effect.do === "dial");
    assert.ok(dial?.do === "dial" && dial.message.kind === "pushPull" && dial.message.join);
    const answer = { kind: "error", error: "no" } as const;
    const [done] = bench.give({ on: "response", exchange: dial.exchange, message: answer });
    assert.ok(done?.do === "joinDone" && done.fault?.code === "unavailable" && /refused: no/.test(done.fault.message));
    assert.deepEqual(bench.give({ on: "response", exchange: 4_711, message: answer }), []);
  });
  test("a leaver says goodbye in person and by rumour, and is not called back to life", () => {
    const bench = new Bench();
    bench.hear(alive("a"), alive("b"));
    const effects = [...bench.give({ on: "leave" }), ...bench.runAnswering(5_000)];
    const farewells = effects.filter(
      (effect) => effect.do === "packet" && effect.messages.some((message) => message.kind === "dead"),
    );
    assert.ok(farewells.length >= 4);
    assert.equal(effects.filter((effect) => effect.do === "left").length, 1);
    bench.hear(alive("me", 999, { addr: addr("me") }));
    assert.equal(bench.state("me"), "left");
  });
  test("somebody alone leaves at once", () => {
    assert.ok(new Bench().give({ on: "leave" }).some((effect) => effect.do === "left"));
  });
  test("a node that nobody pings any more asks what the others think of it", () => {
    const bench = new Bench({ config: { pushPullIntervalMs: 3_600_000 } });
    bench.hear(alive("a"));
    const dials = bench.runAnswering(25_000).filter((effect) => effect.do === "dial" && effect.expects === "pushPull");
    assert.equal(dials.length, 2);
  });
  test("a rumour is told at least eight times, and then no more", () => {
    const bench = new Bench();
    for (const name of ["a", "b", "c", "d"]) bench.hear(alive(name));
    bench.runAnswering(20_000);
    bench.give({ on: "updateMeta" });
    const copies = sent(bench.runAnswering(20_000)).filter(
      (message) => message.kind === "alive" && message.node === "me",
    );
    assert.equal(copies.length, 8);
  });
});
