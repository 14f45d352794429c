import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readlinkSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Fault } from "../../src/base/fault.ts";
import { addAddress } from "../../src/netlink/addresses.ts";
import { Conversation } from "../../src/netlink/conversation.ts";
import { changeLink, decodeLink, getLink, listLinks } from "../../src/netlink/links.ts";
import { inside, systemNamespaces } from "../../src/os/namespace.ts";
import { openSocket } from "../../src/os/netlink.ts";
import { systemTaps } from "../../src/os/tap.ts";
import { fields, inFresh, noNetlink, refusal } from "../support/netlink.ts";
import { until } from "../support/until.ts";

const skip = noNetlink;
const noTun = skip || (existsSync("/dev/net/tun") ? false : "no /dev/net/tun");
const here = (): string => readlinkSync("/proc/thread-self/ns/net");

test("a new namespace is another one, and the thread stays where it is", { skip }, () => {
  const before = here();
  const [own, one, other] = [systemNamespaces.current(), systemNamespaces.create(), systemNamespaces.create()];
  try {
    assert.equal(here(), before);
    assert.equal(new Set([own.identity, one.identity, other.identity]).size, 3);
    assert.equal(`net:[${own.identity.split(":")[1]}]`, before);
    assert.equal(inside(one, here), `net:[${one.identity.split(":")[1]}]`);
    assert.equal(here(), before);
    assert.throws(() =>
      inside(one, () => {
        throw new Fault("invalid", "on the way");
      }),
    );
    assert.equal(here(), before);
    assert.throws(() => inside(one, () => Promise.resolve()), /nobody waits/);
    assert.equal(here(), before);
  } finally {
    for (const namespace of [own, one, other]) namespace.close();
    one.close();
  }
});

test("a path holds a namespace, for us and for ip(8), until it is taken away", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), "skep-ns-"));
  const path = join(folder, "blue");
  const made = systemNamespaces.create();
  try {
    made.bind(path);
    assert.throws(() => made.bind(path), refusal("EEXIST"));
    made.close();
    const again = systemNamespaces.open(path);
    assert.equal(again.identity, made.identity);
    again.close();
    assert.match(execFileSync("nsenter", [`--net=${path}`, "ip", "-o", "link"], { encoding: "utf8" }), /^1: lo/);
    systemNamespaces.unbind(path);
    assert.equal(existsSync(path), false);
    assert.throws(() => systemNamespaces.unbind(path), refusal("ENOENT"));
    assert.throws(() => systemNamespaces.open(path), refusal("ENOENT"));
    assert.throws(() => systemNamespaces.create().bind(join(folder, "none", "blue")), refusal("ENOENT"));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a namespace of ip(8) and that of a process are opened as what they are", { skip }, async () => {
  await inFresh(1, async ({ name, namespace }) => {
    const child = spawn("ip", ["netns", "exec", name, "sleep", "30"]);
    try {
      const path = `/proc/${child.pid}/ns/net`;
      while (readlinkSync(path) === here()) await new Promise((done) => setTimeout(done, 10));
      const ofProcess = systemNamespaces.open(path);
      assert.equal(ofProcess.identity, namespace.identity);
      ofProcess.close();
    } finally {
      child.kill("SIGKILL");
    }
  });
});

test("a socket stays in its namespace when the handle is closed", { skip }, () => {
  const namespace = systemNamespaces.create();
  const door = new Conversation(openSocket(namespace, "route"));
  namespace.close();
  assert.deepEqual(
    door.ask(listLinks()).map((message) => decodeLink(message).name),
    ["lo"],
  );
  door.close();
  door.close();
});

test("kernel parameters are written in their namespace, and nowhere else", { skip }, () =>
  inFresh(1, (one) => {
    const file = "/proc/sys/net/ipv4/conf/lo/rp_filter";
    const before = readFileSync(file, "utf8");
    const value = before.trim() === "2" ? "1" : "2";
    one.namespace.writeSetting("net/ipv4/conf/lo/rp_filter", value);
    assert.equal(one.namespace.readSetting("net/ipv4/conf/lo/rp_filter"), value);
    assert.equal(execFileSync("ip", ["netns", "exec", one.name, "cat", file], { encoding: "utf8" }).trim(), value);
    assert.equal(readFileSync(file, "utf8"), before);
    assert.throws(() => one.namespace.writeSetting("net/ipv4/ip_forward", "many"), refusal("EINVAL"));
    assert.throws(() => one.namespace.readSetting("net/ipv4/conf/none/rp_filter"), refusal("ENOENT"));
    for (const path of ["kernel/core_pattern", "net/../kernel/core_pattern", "net/ipv4/", "/net/ipv4/ip_forward", ""]) {
      assert.throws(() => one.namespace.writeSetting(path, "x"), { code: "invalid" }, path);
    }
  }),
);

test("a TAP device carries frames, a TUN device packets, as long as it is held", { skip: noTun }, () =>
  inFresh(1, async (one) => {
    const tap = systemTaps.open(one.namespace, "tap0", "tap");
    const tun = systemTaps.open(one.namespace, "tun0", "tun");
    try {
      const seen = ["tap0", "tun0"].map((name) => fields(one.ip("link", "show", name)[0], "linkinfo.info_data.type"));
      assert.deepEqual(seen, [["tap"], ["tun"]]);
      assert.throws(() => systemTaps.open(one.namespace, "tap0", "tap"), refusal("EBUSY"));
      assert.throws(() => systemTaps.open(one.namespace, "a-name-of-16-byte", "tap"), { code: "invalid" });
      const link = decodeLink(one.route.ask(getLink("tun0"))[0]!).index;
      one.namespace.writeSetting("net/ipv6/conf/tun0/disable_ipv6", "1");
      one.change(addAddress({ link, address: "192.0.2.1/24" }), changeLink(link, { up: true }));
      spawnSync("ip", ["netns", "exec", one.name, "bash", "-c", "echo > /dev/udp/192.0.2.2/9"]);
      const packet = new Uint8Array(2000);
      const length = await readOne(tun.descriptor, packet);
      assert.deepEqual([packet[0], packet[9], [...packet.subarray(16, 20)]], [0x45, 17, [192, 0, 2, 2]]);
      assert.equal(writeSync(tun.descriptor, packet, 0, length), length);
    } finally {
      tap.close();
      tun.close();
    }
    assert.equal(one.ip("link", "show").length, 1);
  }),
);

/** The next packet of a device, once there is one. */
async function readOne(descriptor: number, into: Uint8Array): Promise<number> {
  let length = 0;
  await until(() => {
    try {
      length = readSync(descriptor, into);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
    return length > 0;
  });
  return length;
}
