import assert from "node:assert/strict";
import { test } from "node:test";
import {
  destinationOf,
  ipv4HeaderLength,
  putIpv4Header,
  sourceOf,
  trafficClass,
} from "../../../src/esp/ipv4-header.ts";
import { hex, unhex } from "../../support/esp.ts";

/** Captured: 192.168.0.1 to 192.168.0.199, UDP, 0x73 bytes; the example of many textbooks. */
const known = "45000073000040004011b861c0a80001c0a800c7";

test("a header that is written is one that is read, with the right checksum", () => {
  const bytes = new Uint8Array(40);
  const header = { protocol: 17, trafficClass: 3, source: 0xc0a80001, destination: 0xc0a800c7 };
  assert.equal(putIpv4Header(bytes, 22, 18, header), 2);
  assert.equal(ipv4HeaderLength(bytes, 2, 38, 17), 20);
  assert.deepEqual([sourceOf(bytes, 2), destinationOf(bytes, 2), trafficClass(bytes, 2)], [0xc0a80001, 0xc0a800c7, 3]);
  let sum = 0;
  for (let at = 2; at < 22; at += 2) sum += (bytes[at]! << 8) | bytes[at + 1]!;
  assert.equal((sum & 0xffff) + (sum >> 16), 0xffff);
  assert.equal(hex(bytes.subarray(0, 2)), "0000");
});

test("only a whole packet of the right protocol is one", () => {
  const packet = new Uint8Array(0x73);
  packet.set(unhex(known));
  assert.equal(ipv4HeaderLength(packet, 0, 0x73, 17), 20);
  assert.equal(ipv4HeaderLength(packet, 0, 0x73, 50), 0);
  assert.equal(ipv4HeaderLength(packet, 0, 0x72, 17), 0);
  assert.equal(ipv4HeaderLength(packet, 0, 19, 17), 0);
  const changed = (at: number, value: number): number => {
    const other = packet.slice();
    other[at] = value;
    return ipv4HeaderLength(other, 0, other.length, 17);
  };
  assert.equal(changed(0, 0x65), 0);
  assert.equal(changed(0, 0x44), 0);
  assert.equal(changed(0, 0x46), 24);
  assert.equal(changed(6, 0x20), 0);
  assert.equal(changed(7, 1), 0);
});
