/** XFRM messages against what iproute2 sends for the same command, and against nonsense. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inspect } from "node:util";
import { Fault } from "../../../src/base/fault.ts";
import { KeyMaterial } from "../../../src/model/key-material.ts";
import * as associations from "../../../src/netlink/xfrm-associations.ts";
import { decodeXfrmEvent } from "../../../src/netlink/xfrm-events.ts";
import * as policies from "../../../src/netlink/xfrm-policies.ts";
import {
  type Association,
  allIpv4,
  noLimits,
  noMark,
  noSequence,
  type Policy,
  type Template,
} from "../../../src/netlink/xfrm-values.ts";

interface Vectors {
  readonly messages: Readonly<Record<string, { readonly sent: string }>>;
}
const file = new URL("../../vectors/xfrm-vectors.json", import.meta.url);
const { messages } = JSON.parse(readFileSync(file, "utf8")) as Vectors;

const MARK = { value: 0xd0c4e3, mask: 0xffffffff };
const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, at) => at);

const docker: Association = {
  source: "10.77.0.1",
  destination: "10.77.0.2",
  spi: 0xbfc7f40d,
  mark: noMark,
  requestId: 0xd0c4e3,
  mode: "transport",
  key: new KeyMaterial(bytes(20)),
  icvBits: 64,
  extendedSequence: false,
  replayWindow: 0,
  sequence: noSequence,
  outputMark: noMark,
  limits: noLimits,
};
const everything: Association = {
  ...docker,
  spi: 0x01020304,
  requestId: 7,
  key: new KeyMaterial(bytes(36)),
  icvBits: 128,
  extendedSequence: true,
  replayWindow: 4_096,
  mark: { value: 0x10, mask: 0xf0 },
  outputMark: MARK,
  limits: {
    softBytes: 1_000n,
    hardBytes: 2_000n,
    softPackets: 10n,
    hardPackets: 20n,
    softAgeSeconds: 3_000,
    hardAgeSeconds: 3_600,
    softUseSeconds: 100,
    hardUseSeconds: 200,
  },
};
const ipv6: Association = {
  ...docker,
  source: "fd77::1",
  destination: "fd77::2",
  spi: 0x100,
  requestId: 7,
  icvBits: 96,
  replayWindow: 32,
};

const template: Template = {
  source: "10.77.0.1",
  destination: "10.77.0.2",
  spi: 0xbfc7f40d,
  requestId: 0xd0c4e3,
  mode: "transport",
  optional: false,
};
const between = (source: string, destination: string, bits: number) => ({
  ...allIpv4,
  source: { address: source, bits },
  destination: { address: destination, bits },
  protocol: 17,
  destinationPort: 4789,
});
const outwards: Policy = {
  direction: "out",
  selector: between("10.77.0.1", "10.77.0.2", 32),
  mark: MARK,
  action: "allow",
  priority: 0,
  templates: [template],
  limits: noLimits,
};
const block: Policy = {
  ...outwards,
  selector: between("0.0.0.0", "0.0.0.0", 0),
  action: "block",
  priority: 4_000_000_000,
  templates: [],
};
const inwards: Policy = {
  direction: "in",
  selector: { ...between("fd77::2", "fd77::1", 128), sourcePort: 5 },
  mark: noMark,
  action: "allow",
  priority: 3,
  templates: [{ source: "fd77::2", destination: "fd77::1", spi: 0, requestId: 9, mode: "transport", optional: true }],
  limits: noLimits,
};

const cases = {
  "sa add docker": associations.addAssociation(docker),
  "sa add everything": associations.addAssociation(everything),
  "sa add ipv6 window": associations.addAssociation(ipv6),
  "sa update docker": associations.updateAssociation(docker),
  "sa delete": associations.deleteAssociation({ ...docker, mark: { value: 0x10, mask: 0xf0 } }),
  "sa get": associations.getAssociation(docker),
  "sa flush": associations.flushAssociations(),
  "policy add docker": policies.addPolicy(outwards),
  "policy add block": policies.addPolicy(block),
  "policy add ipv6 in optional": policies.addPolicy(inwards),
  "policy update": policies.updatePolicy({ ...outwards, templates: [{ ...template, spi: 0x01020304 }] }),
  "policy get": policies.getPolicy(outwards),
  "policy delete": policies.deletePolicy(outwards),
  "policy flush": policies.flushPolicies(),
  "policy dump": policies.listPolicies(),
};

for (const [name, request] of Object.entries(cases)) {
  test(`${name}: the same bytes as iproute2`, () => {
    const sent = Buffer.from(messages[name]?.sent ?? "", "hex");
    assert.equal(request.type, sent.readUInt16LE(4));
    assert.equal(request.flags | 1, sent.readUInt16LE(6));
    // Formatting a subarray copies the bytes; a secret body would show its length only.
    assert.equal(Buffer.from(request.body).toString("hex"), sent.subarray(16).toString("hex"));
  });
}

test("associations and policies survive the way there and back", () => {
  for (const association of [docker, everything, ipv6, { ...docker, sequence: { outgoing: 5n, incoming: 7n } }]) {
    const { key, ...read } = associations.decodeAssociation(associations.addAssociation(association));
    assert.equal(key.equals(association.key), true);
    const { usage: _, refused: __, ...rest } = read;
    const { key: ___, ...wanted } = association;
    assert.deepEqual(rest, wanted);
  }
  for (const policy of [outwards, block, inwards, { ...inwards, direction: "forward" as const }]) {
    const { usage: _, index: __, ...read } = policies.decodePolicy(policies.addPolicy(policy));
    assert.deepEqual(read, policy);
  }
});

test("sequence numbers of 64 bits keep their upper half", () => {
  const sequence = { outgoing: 0x1_0000_0005n, incoming: 0xffff_ffff_0000_0001n };
  const read = associations.decodeAssociation(associations.addAssociation({ ...everything, sequence }));
  assert.deepEqual(read.sequence, sequence);
});

test("no byte of a key is printed", () => {
  const key = new KeyMaterial(Uint8Array.from({ length: 20 }, () => 0xab));
  const association = { ...docker, key };
  const request = associations.addAssociation(association);
  for (const shown of [inspect(request, { depth: 9 }), JSON.stringify(request), `${request.body}`]) {
    assert.doesNotMatch(shown, /171|ab, ?ab|abab/);
  }
  for (const shown of [inspect(association, { depth: 9, showHidden: true }), `${key}`]) {
    assert.doesNotMatch(shown, /171|abab/);
  }
  assert.ok(Buffer.from(request.body).includes(Buffer.alloc(20, 0xab)), "the kernel gets it");
  assert.equal(key.equals(associations.decodeAssociation(request).key), true);
});

test("what makes no sense is refused before the kernel sees it", () => {
  const refused: (() => unknown)[] = [
    () => new KeyMaterial(new Uint8Array(16)),
    () => associations.addAssociation({ ...docker, spi: 0 }),
    () => associations.addAssociation({ ...docker, destination: "fd77::2" }),
    () => associations.addAssociation({ ...docker, replayWindow: 4_097 }),
    () => associations.addAssociation({ ...docker, extendedSequence: true }),
    () => associations.addAssociation({ ...docker, sequence: { outgoing: 1n << 32n, incoming: 0n } }),
    () => associations.addAssociation({ ...docker, icvBits: 80 as 64 }),
    () => policies.addPolicy({ ...outwards, selector: between("10.0.0.1", "fd77::1", 32) }),
    () => policies.addPolicy({ ...outwards, selector: between("10.0.0.1", "10.0.0.2", 33) }),
    () => policies.addPolicy({ ...outwards, templates: Array(7).fill(template) }),
    () => policies.addPolicy({ ...outwards, priority: -1 }),
  ];
  for (const act of refused) assert.throws(act, { code: "invalid" }, String(act));
});

test("messages that are cut off or scrambled are faults, never anything else", () => {
  const types = [0x10, 0x11, 0x13, 0x14, 0x17, 0x18, 0x1b, 0x1c, 0x1d];
  const bodies = Object.values(cases).map(({ body }) => Uint8Array.from(body));
  let faults = 0;
  for (const type of types) {
    for (const body of bodies) {
      for (let length = 0; length < body.length; length += 3) {
        const cut = body.slice(0, length).map((byte, at) => (at % 41 === 40 ? byte ^ 0x55 : byte));
        try {
          decodeXfrmEvent({ type, body: cut });
        } catch (error) {
          assert.ok(error instanceof Fault, String(error));
          faults += 1;
        }
      }
    }
  }
  assert.ok(faults > 500);
});
