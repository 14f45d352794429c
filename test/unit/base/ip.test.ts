import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../../src/base/fault.ts";
import {
  addressBytes,
  addressText,
  canonicalAddress,
  endpointOf,
  formatEndpoint,
  isAddress,
  isPrivate,
  isUnspecified,
  networkMatch,
  parseEndpoint,
  sameEndpoint,
} from "../../../src/base/ip.ts";

const mapped = (...v4: number[]) => Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...v4]);

test("text of addresses is canonical, and IPv4-mapped becomes IPv4", () => {
  const cases: [bytes: Uint8Array, text: string][] = [
    [Uint8Array.of(10, 0, 0, 1), "10.0.0.1"],
    [mapped(10, 99, 0, 1), "10.99.0.1"],
    [addressBytes("2001:DB8:0:0:1:0:0:1"), "2001:db8::1:0:0:1"],
    [new Uint8Array(16), "::"],
    [addressBytes("::1"), "::1"],
  ];
  for (const [bytes, text] of cases) assert.equal(addressText(bytes), text);
  assert.deepEqual(addressBytes("::ffff:10.0.0.1"), Uint8Array.of(10, 0, 0, 1));
  assert.equal(canonicalAddress("::FFFF:10.0.0.1"), "10.0.0.1");
  assert.equal(canonicalAddress("FE80::1%eth0"), "fe80::1%eth0");
});

test("an IPv4-mapped address with a zone is no address", () => {
  for (const text of ["::ffff:10.0.0.1%eth0", "::ffff:1:1%0"]) {
    assert.ok(!isAddress(text));
    for (const parse of [addressBytes, canonicalAddress, (text: string) => parseEndpoint(`[${text}]:1`, 1)]) {
      assert.throws(
        () => parse(text),
        (error) => error instanceof Fault && error.code === "invalid",
      );
    }
  }
});

test("bytes to text and back loses nothing but the mapping", () => {
  const four = fc.uint8Array({ minLength: 4, maxLength: 4 });
  const sixteen = fc.uint8Array({ minLength: 16, maxLength: 16 });
  fc.assert(
    fc.property(
      fc.oneof(
        four,
        sixteen,
        four.map((v4) => mapped(...v4)),
      ),
      (bytes) => {
        const plain = addressBytes(addressText(bytes));
        const isMapped = bytes.length === 16 && bytes.subarray(0, 12).join() === "0,0,0,0,0,0,0,0,0,0,255,255";
        assert.deepEqual([...plain], [...(isMapped ? bytes.subarray(12) : bytes)]);
      },
    ),
  );
});

test("what is not an address in plain notation is refused as invalid", () => {
  for (const text of [
    "",
    "10.0.0",
    "010.0.0.1",
    "0x7f.0.0.1",
    "1.2.3.256",
    "localhost",
    ":::",
    "1.2.3.4:80",
    "[::1]",
  ]) {
    assert.equal(isAddress(text), false, text);
    assert.throws(
      () => addressBytes(text),
      (error) => error instanceof Fault && error.code === "invalid",
      text,
    );
  }
  assert.throws(() => addressText(new Uint8Array(5)), /4 or 16 bytes, not 5/);
});

test("endpoints are written with brackets around IPv6 only", () => {
  assert.equal(formatEndpoint(endpointOf(Uint8Array.of(10, 0, 0, 1), 7946)), "10.0.0.1:7946");
  assert.equal(formatEndpoint(endpointOf(addressBytes("::1"), 7946)), "[::1]:7946");
  assert.ok(sameEndpoint(endpointOf(mapped(1, 2, 3, 4), 5), { address: "1.2.3.4", port: 5 }));
  assert.ok(!sameEndpoint(endpointOf(mapped(1, 2, 3, 4), 5), { address: "1.2.3.4", port: 6 }));
});

test("endpoints are read as they are written, and the port may be missing", () => {
  const cases: [text: string, address: string, port: number][] = [
    ["10.0.0.1", "10.0.0.1", 7946],
    ["10.0.0.1:0", "10.0.0.1", 0],
    ["::1", "::1", 7946],
    ["[::1]", "::1", 7946],
    ["[::FFFF:10.0.0.1]:65535", "10.0.0.1", 65535],
  ];
  for (const [text, address, port] of cases) assert.deepEqual(parseEndpoint(text, 7946), { address, port }, text);
  for (const text of [
    "",
    "localhost:1",
    "10.0.0.1:",
    "10.0.0.1:65536",
    "10.0.0.1:x",
    "[10.0.0.1]:1",
    "[::1]x",
    "::1:::1",
  ]) {
    assert.throws(
      () => parseEndpoint(text, 7946),
      (error) => error instanceof Fault && error.code === "invalid",
      text,
    );
  }
});

test("networks match by their prefix bits, and mapped addresses count as IPv4", () => {
  const match = networkMatch(["10.64.0.0/10", "fd00::/8", "192.0.2.7/32", "::ffff:198.51.100.0/120"]);
  for (const inside of ["10.64.0.1", "10.127.255.255", "fd12::1", "192.0.2.7", "198.51.100.9", mapped(10, 100, 0, 1)]) {
    assert.ok(match(inside), String(inside));
  }
  for (const outside of ["10.128.0.0", "10.63.255.255", "fc00::1", "192.0.2.6", "198.51.101.1", "::1", "rubbish"]) {
    assert.ok(!match(outside), String(outside));
  }
});

test("no list allows everybody, an empty list nobody, and a wrong network is named", () => {
  assert.ok(networkMatch(undefined)("203.0.113.1"));
  assert.ok(!networkMatch([])("127.0.0.1"));
  assert.ok(networkMatch(["0.0.0.0/0"])("203.0.113.1"));
  assert.throws(() => networkMatch(["10.0.0.0/33"]), /"10\.0\.0\.0\/33" is not a network/);
});

test("private are the addresses that a cluster may be told without asking", () => {
  for (const text of ["10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::1"])
    assert.ok(isPrivate(text), text);
  for (const text of ["127.0.0.1", "8.8.8.8", "169.254.1.1", "fe80::1", "::1", "172.32.0.1"]) {
    assert.ok(!isPrivate(text), text);
  }
  assert.ok(isUnspecified("0.0.0.0") && isUnspecified("::") && !isUnspecified("::1"));
});
