/** What people and local programs write: addresses, join targets, keys, the lines of the control socket. */
import assert from "node:assert/strict";
import {
  addressBytes,
  addressText,
  canonicalAddress,
  formatEndpoint,
  isPrivate,
  isUnspecified,
  networkMatch,
  parseEndpoint,
} from "../../src/base/ip.ts";
import { type ControlRequest, parseRequest, resultOf } from "../../src/cli/gossip-control.ts";
import { type JoinTarget, parseJoinTarget } from "../../src/gossip/join-target.ts";
import { parseKey } from "../../src/main/key-store.ts";
import { assertSame, bytesOf, textOf } from "./support.ts";
import { invalidOnly, operationRefusals, type Target, target } from "./target.ts";

const PORT = 7946;
const addresses = bytesOf("10.0.0.1", "::1", "fe80::1%eth0", "::ffff:10.0.0.1", "fd00:1:2:3:4:5:6:7", "0.0.0.0", "::");
const endpoints = bytesOf("10.0.0.1:7946", "[::1]:7946", "[fe80::1%eth0]:1", "1.2.3.4:65535");
const words = bytesOf(":", "::", "[", "]", "%", "/", ".", "0x", "ffff:", "255", "65535", "256", "-1", "10.0.0.1", "ｆ");

interface Address {
  readonly text: string;
  readonly canonical: string;
}

export const textTargets: readonly Target[] = [
  target<Address>({
    name: "ip-address",
    about: "an IP address as text",
    seeds: () => addresses,
    words,
    refusals: invalidOnly,
    decode: (input) => {
      const text = textOf(input);
      const canonical = canonicalAddress(text);
      isPrivate(text);
      isUnspecified(text);
      return { text, canonical };
    },
    check: ({ text, canonical }) => {
      assert.equal(canonicalAddress(canonical), canonical);
      const bytes = addressBytes(text);
      assert.ok(bytes.length === 4 || bytes.length === 16);
      assertSame(addressBytes(addressText(bytes)), bytes);
      assert.equal(addressText(bytes), canonical.replace(/%.*$/s, ""));
    },
  }),
  target<string>({
    name: "ip-bytes",
    about: "the bytes of an IP address",
    seeds: () => [new Uint8Array(4), Uint8Array.of(10, 0, 0, 1), new Uint8Array(16), addressBytes("fd00::1")],
    refusals: invalidOnly,
    decode: (input) => addressText(input),
    check: (text) => assert.equal(canonicalAddress(text), text),
  }),
  target({
    name: "ip-endpoint",
    about: "an IP address with a port",
    seeds: () => [...endpoints, ...addresses],
    words,
    refusals: invalidOnly,
    decode: (input) => parseEndpoint(textOf(input), PORT),
    check: (endpoint) => {
      assert.ok(endpoint.port >= 0 && endpoint.port <= 65_535);
      assertSame(parseEndpoint(formatEndpoint(endpoint), 1), endpoint);
    },
  }),
  target({
    name: "ip-network",
    about: "a network in CIDR notation, and an address to look for",
    seeds: () => bytesOf("10.0.0.0/8 10.1.2.3", "fd00::/8 fd00::1", "::ffff:10.0.0.0/104 10.1.1.1", "0.0.0.0/0 ::1"),
    words,
    refusals: invalidOnly,
    decode: (input) => {
      const [network = "", address = ""] = textOf(input).split(" ", 2);
      return networkMatch([network])(address);
    },
  }),
  target<JoinTarget>({
    name: "join-target",
    about: "whom to join",
    seeds: () => [...endpoints, ...addresses, ...bytesOf("db1/db1.example.org:7946", "db1/[::1]:1", "host.", "a/b:2")],
    words,
    refusals: invalidOnly,
    decode: (input) => parseJoinTarget(textOf(input), PORT),
    check: ({ node, host, port }) => {
      assert.ok(host !== "" && port >= 1 && port <= 65_535);
      const place = formatEndpoint({ address: host, port });
      assertSame(parseJoinTarget(node === "" ? place : `${node}/${place}`, 1), { node, host, port });
    },
  }),
  target({
    name: "key-text",
    about: "a key in base64",
    seeds: () => [16, 24, 32, 8].map((length) => bytesOf(Buffer.alloc(length, 255).toString("base64"))[0]!),
    words: bytesOf("=", "==", "\n", "-", "_"),
    refusals: invalidOnly,
    decode: (input) => parseKey(textOf(input)),
    check: (key) => assert.match(key.id, /^[0-9a-f]{16}$/),
  }),
  target<ControlRequest>({
    name: "control-request",
    about: "a request on the control socket",
    seeds: () =>
      bytesOf(
        '{"op":"members"}',
        '{"op":"keysUse","key":"5f0c000000000000"}',
        '{"op":"leave","timeoutMs":1000.5}',
        '{"op":"stats","__proto__":{"key":1}}',
      ),
    words: bytesOf('"op"', '"key"', '"timeoutMs"', '"keysList"', '"__proto__":', "null", "[]", "1e999", '"\\u0000"'),
    refusals: invalidOnly,
    decode: (input) => parseRequest(textOf(input)),
    check: (request) => {
      const line = JSON.stringify(request);
      assert.equal(JSON.stringify(parseRequest(line)), line);
    },
  }),
  target({
    name: "control-response",
    about: "a response on the control socket",
    seeds: () =>
      bytesOf(
        '{"ok":true,"result":null}',
        '{"ok":true,"result":[{"name":"a","versions":[1,5,2]}]}',
        '{"ok":false,"code":"notFound","message":"no"}',
      ),
    words: bytesOf('"ok"', '"result"', '"code"', '"message"', '"toString"', '"invalid"', "null", "{}", "[]"),
    refusals: operationRefusals,
    decode: (input) => resultOf(textOf(input)),
  }),
];
