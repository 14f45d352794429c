/** What is written to a device, seen in a file: the header in front of each packet, and what the kernel would cut. */
import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DeviceWriter } from "../../../src/os/device-writer.ts";
import { addressOf } from "../../../src/os/packet-calls.ts";

interface Written {
  readonly segment: number;
  readonly packet: Buffer;
}

/** Lengths of datagrams with their flows; what a writer makes of them. */
function write(together: boolean, flows: readonly (readonly [port: number, length: number])[]): Written[] {
  const folder = mkdtempSync(join(tmpdir(), "skep-writer-"));
  const file = join(folder, "device");
  const device = openSync(file, "w");
  try {
    const bytes = new Uint8Array(new SharedArrayBuffer(70 * 2048));
    const memory = { bytes, base: addressOf(bytes.buffer) };
    const writer = new DeviceWriter(device, together);
    for (const [slot, [port, length]] of flows.entries()) {
      const at = slot * 2048 + 64;
      bytes.set(datagram(port, length, slot), at);
      assert.equal(writer.send(memory, at, 28 + length), 0);
    }
    assert.equal(writer.flush(), 0);
    assert.equal(writer.flush(), 0);
    return packetsOf(readFileSync(file));
  } finally {
    closeSync(device);
    rmSync(folder, { recursive: true });
  }
}

function datagram(port: number, length: number, fill: number): Uint8Array {
  const packet = Buffer.alloc(28 + length, fill);
  packet.fill(0, 0, 28);
  packet.writeUInt16BE(0x4500, 0);
  packet.writeUInt16BE(packet.length, 2);
  packet.writeUInt16BE(0x4011, 8);
  packet.set([192, 0, 2, 1, 192, 0, 2, 2], 12);
  packet.writeUInt16BE(port, 20);
  packet.writeUInt16BE(4789, 22);
  packet.writeUInt16BE(8 + length, 24);
  packet.writeUInt16BE(checksum(packet, 0, 20), 10);
  return packet;
}

/** RFC 1071, the slow way: carry by carry. */
function checksum(bytes: Buffer, from: number, to: number, start = 0): number {
  let sum = start;
  for (let at = from; at < to; at += 2) {
    sum += bytes.readUInt16BE(at);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return 0xffff - sum;
}

function packetsOf(file: Buffer): Written[] {
  const written: Written[] = [];
  for (let at = 0; at < file.length; ) {
    const header = file.subarray(at, at + 10);
    const packet = file.subarray(at + 10, at + 10 + file.readUInt16BE(at + 12));
    const isCut = header[1] === 5;
    assert.deepEqual([...header.subarray(0, 2)], isCut ? [1, 5] : [0, 0]);
    assert.equal(checksum(packet, 0, 20), 0, "the IP checksum is right");
    if (isCut) {
      assert.deepEqual(
        [2, 6, 8].map((field) => header.readUInt16LE(field)),
        [28, 20, 6],
      );
      const pseudo = 17 + packet.length - 20;
      assert.equal(packet.readUInt16BE(26), 0xffff - checksum(packet, 12, 20, pseudo));
    }
    written.push({ segment: isCut ? header.readUInt16LE(4) : packet.length - 28, packet });
    at += 10 + packet.length;
  }
  return written;
}

/** As the kernel does: a payload of `segment` bytes each, the last one of what is left. */
function cut({ segment, packet }: Written): [port: number, length: number, fill: number][] {
  const parts: [number, number, number][] = [];
  for (let at = 28; at < packet.length; at += segment) {
    parts.push([packet.readUInt16BE(20), Math.min(segment, packet.length - at), packet[at]!]);
  }
  return parts;
}

const flows: readonly (readonly [number, number])[] = [
  ...Array.from({ length: 60 }, (): [number, number] => [50_000, 1400]),
  [50_000, 700],
  [50_000, 1400],
  [50_001, 1400],
  [50_001, 1400],
  [50_001, 1401],
  [50_000, 50],
  [50_000, 50],
];

test("datagrams of one flow become one packet, and come out again as they were", () => {
  const written = write(true, flows);
  assert.deepEqual(
    written.flatMap(cut),
    flows.map(([port, length], fill) => [port, length, fill]),
  );
  // 46 fit into 64 KiB; the shorter one ends its packet; another port, and a longer one, begin their own.
  assert.deepEqual(
    written.map((one) => cut(one).length),
    [46, 15, 1, 2, 1, 2],
  );
});

test("where the kernel does not know how, each is written alone", () => {
  const written = write(false, flows);
  assert.equal(written.length, flows.length);
  assert.deepEqual(
    written.map(({ packet }) => [packet.readUInt16BE(20), packet.length - 28, packet[28]]),
    flows.map(([port, length], fill) => [port, length, fill]),
  );
});
