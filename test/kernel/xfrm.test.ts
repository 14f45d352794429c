/** Policies in the real kernel, in namespaces of their own, seen by iproute2. Associations: xfrm-associations.test.ts. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import * as policies from "../../src/netlink/xfrm-policies.ts";
import { allIpv6, noLimits, noMark, type Policy } from "../../src/netlink/xfrm-values.ts";
import { inNamespace, isErrno, noKernel } from "../support/kernel.ts";
import { blockAll, ESP_MARK, policyBetween, vxlanBetween } from "../support/xfrm.ts";

const skip = noKernel;
const A = "10.77.0.1";
const B = "10.77.0.2";

test("a policy is added as asked, read back as asked, and gone when deleted", { skip }, async () => {
  await inNamespace(async ({ name, xfrm }) => {
    const policy = policyBetween(A, B, 0xbfc7f40d);
    await xfrm.change(policies.addPolicy(policy));
    const shown = ip(name, "policy");
    assert.match(shown, /src 10\.77\.0\.1\/32 dst 10\.77\.0\.2\/32 proto udp dport 4789/);
    assert.match(shown, /dir out priority 0/);
    assert.match(shown, /mark 0xd0c4e3\/0xffffffff/);
    assert.match(shown, /proto esp spi 0xbfc7f40d reqid 13681891 mode transport/);
    const [read] = await xfrm.ask(policies.getPolicy(policy));
    assert.ok(read);
    const { index, usage, ...rest } = policies.decodePolicy(read);
    assert.deepEqual(rest, policy);
    assert.ok(index > 0 && usage.addedAtSeconds > 1_700_000_000 && usage.packets === 0n);
    await assert.rejects(xfrm.change(policies.addPolicy(policy)), isErrno("EEXIST"));
    await xfrm.change(policies.deletePolicy(policy));
    assert.equal(ip(name, "policy"), "");
    await assert.rejects(xfrm.change(policies.deletePolicy(policy)), isErrno("ENOENT"));
  });
});

test("policies of all directions, families, actions and limits come back from a list", { skip }, async () => {
  await inNamespace(async ({ name, xfrm }) => {
    const limits = {
      ...noLimits,
      softAgeSeconds: 3_000,
      hardAgeSeconds: 3_600,
      hardPackets: 1_000n,
      hardBytes: 1n << 40n,
    };
    const template = { ...policyBetween(A, B, 0).templates[0]!, optional: true };
    const six = {
      source: "fd77::1",
      destination: "fd77::2",
      spi: 9,
      requestId: 7,
      mode: "tunnel",
      optional: false,
    } as const;
    const wanted: Policy[] = [
      policyBetween(A, B, 1),
      blockAll,
      { ...policyBetween(B, A, 2), direction: "in", mark: noMark, templates: [template], limits },
      { ...blockAll, direction: "forward", selector: { ...allIpv6, protocol: 6, sourcePort: 22 }, priority: 7 },
      { ...blockAll, action: "allow", selector: { ...allIpv6, interfaceIndex: 1 }, mark: { value: 0x10, mask: 0xf0 } },
      { ...policyBetween("fd77::1", "fd77::2", 3), templates: [template, six].slice(1) },
    ];
    for (const policy of wanted) await xfrm.change(policies.addPolicy(policy));
    const listed = (await xfrm.ask(policies.listPolicies())).map(policies.decodePolicy);
    const plain = listed.map(({ index: _, usage: __, ...policy }) => policy);
    assert.deepEqual(byText(plain), byText(wanted));
    assert.equal(ip(name, "policy").match(/^src /gm)?.length, wanted.length);
    assert.match(ip(name, "policy"), /action block/);
    await xfrm.change(policies.flushPolicies());
    assert.deepEqual(await xfrm.ask(policies.listPolicies()), []);
  });
});

test("an update replaces the policy of the same id, and adds one where there is none", { skip }, async () => {
  await inNamespace(async ({ name, xfrm }) => {
    await xfrm.change(policies.updatePolicy(policyBetween(A, B, 1)));
    await xfrm.change(policies.updatePolicy(policyBetween(A, B, 2)));
    await xfrm.change(policies.updatePolicy({ ...policyBetween(A, B, 3), mark: noMark }));
    const shown = ip(name, "policy");
    assert.deepEqual(shown.match(/spi 0x\w+/g)?.sort(), ["spi 0x00000002", "spi 0x00000003"]);
  });
});

test("what iproute2 wrote is read", { skip }, async () => {
  await inNamespace(async ({ name, xfrm }) => {
    const words = "add dir fwd src 10.0.0.0/8 dst 192.0.2.0/24 proto tcp sport 80 mark 0x1 mask 0x3 priority 5";
    ip(name, "policy", ...words.split(" "), ..."tmpl proto esp reqid 4 mode transport level use".split(" "));
    const [read] = (await xfrm.ask(policies.listPolicies())).map(policies.decodePolicy);
    assert.deepEqual(read?.selector, {
      ...vxlanBetween("10.0.0.0", "192.0.2.0", 8),
      destination: { address: "192.0.2.0", bits: 24 },
      ...{ protocol: 6, sourcePort: 80, destinationPort: 0 },
    });
    assert.deepEqual([read?.direction, read?.priority, read?.mark], ["forward", 5, { value: 1, mask: 3 }]);
    assert.deepEqual(
      read?.templates.map(({ optional, requestId }) => [optional, requestId]),
      [[true, 4]],
    );
  });
});

test("changes, flushes and expiries of policies are reported", { skip }, async () => {
  await inNamespace(async ({ xfrm, xfrmEvents }) => {
    const policy = policyBetween(A, B, 5);
    await xfrm.change(policies.addPolicy(policy));
    await xfrm.change(policies.updatePolicy({ ...policy, priority: 1 }));
    await xfrm.change(policies.deletePolicy(policy));
    await xfrm.change(policies.addPolicy({ ...policy, limits: { ...noLimits, hardAgeSeconds: 1 } }));
    const set = await xfrmEvents("policySet");
    assert.deepEqual(
      [set.policy.selector, set.policy.templates, set.policy.priority],
      [policy.selector, policy.templates, 0],
    );
    assert.equal((await xfrmEvents("policySet")).policy.priority, 1);
    const deleted = await xfrmEvents("policyDeleted");
    assert.deepEqual([deleted.direction, deleted.selector, deleted.mark], ["out", policy.selector, ESP_MARK]);
    const expired = await xfrmEvents("policyExpired");
    assert.deepEqual([expired.hard, expired.policy.mark], [true, ESP_MARK]);
    await xfrm.change(policies.addPolicy(policy));
    await xfrm.change(policies.flushPolicies());
    await xfrmEvents("policiesFlushed");
  });
});

function ip(namespace: string, ...words: string[]): string {
  return execFileSync("ip", ["-n", namespace, "xfrm", ...words], { encoding: "utf8" });
}

function byText(values: readonly Policy[]): string[] {
  const text = (value: unknown): string =>
    JSON.stringify(value, (_, part) => (typeof part === "bigint" ? `${part}n` : sorted(part)));
  return values.map(text).sort();
}

/** Objects with their keys in order, so that equal values have equal text. */
function sorted(part: unknown): unknown {
  if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
  return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
}
