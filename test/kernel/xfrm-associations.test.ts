/** Security associations in the real kernel, in namespaces of their own, seen by iproute2 and by packets on loopback. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { KeyMaterial } from "../../src/model/key-material.ts";
import * as associations from "../../src/netlink/xfrm-associations.ts";
import * as policies from "../../src/netlink/xfrm-policies.ts";
import { type Association, type AssociationState, noLimits, noMark } from "../../src/netlink/xfrm-values.ts";
import { inNamespace, isErrno, type Namespace, noEsp, noKernel } from "../support/kernel.ts";
import { associationBetween, policyBetween } from "../support/xfrm.ts";

const skip = noEsp;
const A = "127.0.0.1";
const B = "127.0.0.2";
const SPI = 0xbfc7f40d;
const forward = associationBetween(A, B, SPI);

/** All that a cluster may ask for. */
const everything: Association = {
  ...associationBetween("fd77::1", "fd77::2", 0x01020304),
  key: new KeyMaterial(randomBytes(36)),
  icvBits: 128,
  extendedSequence: true,
  replayWindow: 4_096,
  mark: { value: 0x10, mask: 0xf0 },
  outputMark: { value: 0x20, mask: 0xff },
  sequence: { outgoing: 0x1_0000_0007n, incoming: 0x2_0000_0009n },
  limits: {
    ...{ softBytes: 1_000n, hardBytes: 1n << 50n, softPackets: 10n, hardPackets: 1n << 33n },
    ...{ softAgeSeconds: 3_000, hardAgeSeconds: 3_600, softUseSeconds: 1_000, hardUseSeconds: 2_000 },
  },
};

test("an association is added as asked, read back as asked, and gone when deleted", { skip }, async () => {
  await inNamespace(async ({ name, xfrm }) => {
    await xfrm.change(associations.addAssociation(forward));
    const shown = state(name);
    assert.match(shown, /src 127\.0\.0\.1 dst 127\.0\.0\.2\s+proto esp spi 0xbfc7f40d\(\d+\) reqid 13681891/);
    const hex = forward.key.withBytes((bytes) => Buffer.from(bytes).toString("hex"));
    assert.ok(shown.includes(`aead rfc4106(gcm(aes)) 0x${hex} (160 bits) 64`));
    compare(await read(xfrm, forward), forward);
    await assert.rejects(xfrm.change(associations.addAssociation(forward)), isErrno("EEXIST"));
    await xfrm.change(associations.deleteAssociation(forward));
    assert.equal(state(name), "");
    await assert.rejects(xfrm.change(associations.deleteAssociation(forward)), isErrno("ESRCH"));
    await assert.rejects(xfrm.ask(associations.getAssociation(forward)), isErrno("ESRCH"));
  });
});

test("keys, ICVs, windows, marks, limits and sequence numbers of every size come back", { skip }, async () => {
  await inNamespace(async ({ name, xfrm }) => {
    const wanted = [
      everything,
      ...([64, 96, 128] as const).map((icvBits, at) => ({ ...forward, icvBits, spi: 300 + at })),
      ...[20, 28, 36].map((size, at) => ({ ...forward, key: new KeyMaterial(randomBytes(size)), spi: 400 + at })),
      ...[1, 32, 33, 1_024, 4_096].map((replayWindow, at) => ({ ...forward, replayWindow, spi: 500 + at })),
      { ...forward, spi: 600, sequence: { outgoing: 77n, incoming: 99n }, replayWindow: 32 },
      { ...forward, spi: 601, mode: "tunnel" as const },
    ];
    for (const association of wanted) await xfrm.change(associations.addAssociation(association));
    for (const association of wanted) compare(await read(xfrm, association), association);
    const listed = (await xfrm.ask(associations.listAssociations())).map(associations.decodeAssociation);
    assert.deepEqual(listed.map(({ spi }) => spi).sort(), wanted.map(({ spi }) => spi).sort());
    const shown = state(name, "spi", "0x01020304");
    assert.match(shown, /replay-window 0 seq 0x00000000 flag esn/);
    assert.match(shown, /replay_window 4096, bitmap-length 128/);
    assert.match(shown, /seq-hi 0x2, seq 0x9, oseq-hi 0x1, oseq 0x7/);
    assert.match(shown, /mark 0x10\/0xf0/);
    assert.match(shown, /output-mark 0x20\/0xff/);
    await xfrm.change(associations.flushAssociations());
    assert.deepEqual(await xfrm.ask(associations.listAssociations()), []);
  });
});

test("an update changes limits and leaves key and sequence", { skip }, async () => {
  await inNamespace(async ({ xfrm }) => {
    const limits = { ...noLimits, hardAgeSeconds: 100, softPackets: 5n };
    await assert.rejects(xfrm.change(associations.updateAssociation(forward)), isErrno("ESRCH"));
    await xfrm.change(associations.addAssociation(forward));
    await xfrm.change(associations.updateAssociation({ ...forward, key: new KeyMaterial(randomBytes(20)), limits }));
    compare(await read(xfrm, forward), { ...forward, limits });
  });
});

test("packets through an association are counted, in bytes, packets and sequence numbers", { skip }, async () => {
  await inNamespace(async (namespace) => {
    const { xfrm } = namespace;
    const association = { ...forward, replayWindow: 64, extendedSequence: true };
    await protect(namespace, association);
    assert.equal(receivedOf(namespace, 5), 5);
    const { usage, sequence, refused } = await read(xfrm, association);
    // On loopback one association sees each packet twice: on its way out and on its way in.
    assert.equal(usage.packets, 10n);
    assert.ok(usage.bytes > 0n && usage.usedAtSeconds >= usage.addedAtSeconds);
    assert.deepEqual(sequence, { outgoing: 5n, incoming: 5n });
    assert.deepEqual(refused, { belowWindow: 0, replayed: 0, forged: 0 });
  });
});

test("packets below the window are refused and counted", { skip }, async () => {
  await inNamespace(async (namespace) => {
    const association = { ...forward, replayWindow: 32, sequence: { outgoing: 0n, incoming: 1_000n } };
    await protect(namespace, association);
    assert.equal(receivedOf(namespace, 3), 0);
    const { refused } = await read(namespace.xfrm, association);
    assert.equal(refused.belowWindow + refused.replayed, 3);
  });
});

test("soft and hard limits, additions, deletions and flushes are reported", { skip }, async () => {
  await inNamespace(async (namespace) => {
    const { xfrm, xfrmEvents } = namespace;
    const limits = { ...noLimits, softPackets: 2n, hardPackets: 100n, hardAgeSeconds: 3 };
    await protect(namespace, { ...forward, limits });
    assert.equal((await xfrmEvents("associationSet")).association.key.equals(forward.key), true);
    receivedOf(namespace, 3);
    const soft = await xfrmEvents("associationExpired");
    assert.deepEqual([soft.hard, soft.association.spi, soft.association.requestId], [false, SPI, forward.requestId]);
    assert.ok(soft.association.usage.packets >= 2n);
    const hard = await xfrmEvents("associationExpired");
    assert.deepEqual([hard.hard, hard.association.source], [true, A]);
    await assert.rejects(xfrm.ask(associations.getAssociation(forward)), isErrno("ESRCH"));
    await xfrm.change(associations.addAssociation(forward));
    await xfrm.change(associations.deleteAssociation(forward));
    const { destination, spi } = await xfrmEvents("associationDeleted");
    assert.deepEqual([destination, spi], [B, SPI]);
    await xfrm.change(associations.addAssociation(forward));
    await xfrm.change(associations.flushAssociations());
    assert.equal((await xfrmEvents("associationsFlushed")).protocol, 50);
  });
});

test("a packet that needs an association which is missing is reported, and does not leave", {
  skip: noKernel,
}, async () => {
  await inNamespace(async (namespace) => {
    const policy = { ...policyBetween(A, B, 0), mark: noMark };
    await namespace.xfrm.change(policies.addPolicy(policy));
    assert.equal(receivedOf(namespace, 1), 0);
    const { acquire } = await namespace.xfrmEvents("acquire");
    assert.deepEqual([acquire.source, acquire.destination, acquire.direction], [A, B, "out"]);
    assert.deepEqual(acquire.policy, policy.selector);
    assert.equal(acquire.packet.destinationPort, 4789);
  });
});

/** UDP from A to B, port 4789, goes through this association, which loopback delivers to itself. */
async function protect({ xfrm }: Namespace, association: Association): Promise<void> {
  await xfrm.change(associations.addAssociation(association));
  await xfrm.change(policies.addPolicy({ ...policyBetween(A, B, association.spi), mark: noMark }));
}

/** Send so many datagrams from A to B, port 4789, and count those that arrive. */
function receivedOf({ name }: Namespace, count: number): number {
  const sender = `
    const { createSocket } = require("node:dgram");
    const inbox = createSocket("udp4"), out = createSocket("udp4");
    let came = 0;
    inbox.on("message", () => { came += 1; if (came === ${count}) end(); });
    const end = () => { console.log(came); process.exit(0); };
    inbox.bind(4789, "${B}", () => out.bind(0, "${A}", () => {
      for (let at = 0; at < ${count}; at++) out.send("hello", 4789, "${B}", () => {});
      setTimeout(end, 1500);
    }));
    out.on("error", () => {});
  `;
  // Loopback is spared from IPsec unless told otherwise.
  const spared = ["disable_xfrm", "disable_policy"].map((word) => `echo 0 > /proc/sys/net/ipv4/conf/lo/${word}`);
  execFileSync("ip", ["netns", "exec", name, "sh", "-c", spared.join(" && ")]);
  const run = spawnSync("ip", ["netns", "exec", name, process.execPath, "-e", sender], { encoding: "utf8" });
  assert.equal(run.status, 0, run.stderr);
  return Number(run.stdout);
}

async function read(xfrm: Namespace["xfrm"], id: Association): Promise<AssociationState> {
  const [message] = await xfrm.ask(associations.getAssociation(id));
  assert.ok(message);
  return associations.decodeAssociation(message);
}

function compare(state: AssociationState, wanted: Association): void {
  const { usage: _, refused: __, key, ...read } = state;
  const { key: wantedKey, ...rest } = wanted;
  assert.deepEqual(read, rest);
  assert.equal(key.equals(wantedKey), true);
}

function state(namespace: string, ...words: string[]): string {
  return execFileSync("ip", ["-n", namespace, "-s", "xfrm", "state", "list", ...words], { encoding: "utf8" });
}
