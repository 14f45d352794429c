/** The tests of netlink again, with Debian's own kernel, and what only that one has. */
import "../kernel/addresses-routes.test.ts";
import "../kernel/links.test.ts";
import "../kernel/neighbours.test.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { addLink } from "../../src/netlink/links.ts";
import { noMachine } from "../support/machine.ts";
import { fields, inFresh } from "../support/netlink.ts";

const skip = noMachine;

test("a bridge that knows VLANs gives untagged frames no VLAN", { skip }, () =>
  inFresh(1, (one) => {
    const options = { kind: "bridge", vlanFiltering: true, defaultPvid: 0 } as const;
    one.change(addLink({ name: "br0", options }));
    const seen = fields(
      one.ip("link", "show", "br0")[0],
      "linkinfo.info_data.vlan_filtering linkinfo.info_data.vlan_default_pvid",
    );
    assert.deepEqual(seen, [1, 0]);
    assert.deepEqual({ ...one.link("br0").bridge, ...options }, one.link("br0").bridge);
  }),
);

test("a dummy link is made", { skip }, () =>
  inFresh(1, (one) => {
    one.change(addLink({ name: "d0", up: true, options: { kind: "dummy" } }));
    assert.deepEqual(fields(one.ip("link", "show", "d0")[0], "linkinfo.info_kind"), ["dummy"]);
    assert.equal(one.link("d0").kind, "dummy");
  }),
);
