/** Our ESP packets before independent judges: Wireshark's dissector with the keys, and scapy's IPsec both ways. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { InboundAssociation } from "../../src/esp/inbound.ts";
import { Meter } from "../../src/esp/meter.ts";
import { OutboundAssociation } from "../../src/esp/outbound.ts";
import { KeyMaterial } from "../../src/model/key-material.ts";
import { ICV_SIZES, noLimits, type SecurityAssociation } from "../../src/model/security-association.ts";
import { systemRandom } from "../../src/os/random.ts";
import { concatBytes } from "../../src/wire/bytes.ts";
import {
  allCiphers,
  association,
  contentOf,
  datagram,
  HERE,
  hex,
  slotFor,
  THERE,
  unhex,
  VXLAN_PORT,
} from "../support/esp.ts";

const noTshark = spawnSync("tshark", ["--version"]).status === 0 ? false : "there is no tshark command";
const PYTHON = "/usr/bin/python3";
const noScapy =
  spawnSync(PYTHON, ["-c", "import scapy.layers.ipsec, cryptography"]).status === 0 ? false : "scapy is not installed";

const VNI = 4097;

/** A VXLAN datagram around an Ethernet frame of an experimental type, with this payload. */
function vxlan(payload: Uint8Array): Uint8Array {
  const frame = concatBytes(unhex("02420a00010402420a00010388b5"), payload);
  return datagram(concatBytes(unhex("08000000"), unhex(`${VNI.toString(16).padStart(6, "0")}00`), frame));
}

function material(one: SecurityAssociation): string {
  return one.material.withBytes(hex);
}

/** Packets of one sender that goes on after `sequence`. */
function sealAll(one: SecurityAssociation, contents: readonly Uint8Array[], sequence = 0): Uint8Array[] {
  const cipher = one.material.withBytes((bytes) => allCiphers[1]!.create(bytes, one.icvBytes, "outbound"));
  const sender = new OutboundAssociation(
    one,
    cipher,
    systemRandom(),
    new Meter(noLimits, 0, () => undefined),
    sequence,
  );
  return contents.map((content) => {
    const slot = slotFor(content);
    assert.equal(sender.seal(slot), undefined);
    return contentOf(slot);
  });
}

function ipv4(payload: Uint8Array): Uint8Array {
  const header = new Uint8Array(20);
  const view = new DataView(header.buffer);
  view.setUint16(0, 0x4500);
  view.setUint16(2, 20 + payload.length);
  view.setUint16(8, 0x4032);
  header.set(HERE.split(".").map(Number), 12);
  header.set(THERE.split(".").map(Number), 16);
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += view.getUint16(at);
  view.setUint16(10, ~((sum & 0xffff) + (sum >> 16)));
  return concatBytes(header, payload);
}

/** A capture of raw IP packets. */
function pcap(packets: readonly Uint8Array[]): Uint8Array {
  const RAW_IP = 101;
  const u32 = (...values: number[]): Uint8Array => new Uint8Array(new Uint32Array(values).buffer);
  const head = concatBytes(u32(0xa1b2c3d4), new Uint8Array(new Uint16Array([2, 4]).buffer), u32(0, 0, 65_535, RAW_IP));
  return concatBytes(head, ...packets.flatMap((packet, at) => [u32(at, 0, packet.length, packet.length), packet]));
}

for (const icvBytes of ICV_SIZES) {
  for (const keyBytes of [16, 24, 32]) {
    test(`Wireshark decrypts packets with a key of ${keyBytes} bytes and an ICV of ${icvBytes}`, {
      skip: noTshark,
    }, () => {
      const one = association({ icvBytes, material: new KeyMaterial(randomBytes(keyBytes + 4)) });
      const payloads = [0, 1, 2, 3, 46, 1300].map((length) => new Uint8Array(randomBytes(Math.max(1, length))));
      const folder = mkdtempSync(join(tmpdir(), "skep-esp-"));
      try {
        const file = join(folder, "esp.pcap");
        writeFileSync(file, pcap(sealAll(one, payloads.map(vxlan)).map(ipv4)));
        const cipher = `AES-GCM with ${icvBytes} octet ICV [RFC4106]`;
        const key = `"IPv4","${HERE}","${THERE}","0x${one.spi.toString(16)}","${cipher}","0x${material(one)}","NULL",""`;
        const options = ["esp.enable_encryption_decode:TRUE", `uat:esp_sa:${key}`].flatMap((option) => ["-o", option]);
        const fields = ["esp.sequence", "udp.dstport", "vxlan.vni", "data.data"].flatMap((field) => ["-e", field]);
        const { stdout, stderr } = spawnSync("tshark", ["-n", "-r", file, ...options, "-T", "fields", ...fields], {
          encoding: "utf8",
        });
        const expected = payloads.map((payload, at) => [at + 1, VXLAN_PORT, VNI, hex(payload)].join("\t"));
        assert.deepEqual(stdout.trimEnd().split("\n"), expected, stderr);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }
}

/** Reads a job on its standard input; prints what it decrypted of ours, and what it encrypted for us. */
const judge = `
import json, sys
from scapy.layers.inet import IP, UDP
from scapy.layers.ipsec import ESP, SecurityAssociation
from scapy.packet import Raw
job = json.load(sys.stdin)
bytes_of = bytes.fromhex
sa = SecurityAssociation(ESP, spi=job["spi"], crypt_algo="AES-GCM", crypt_key=bytes_of(job["material"]),
                         esn_en=job["esn"], esn=job["high"])
opened = [bytes(sa.decrypt(IP(bytes_of(packet))).payload).hex() for packet in job["sealed"]]
sealed = []
for number, payload in enumerate(job["contents"]):
    packet = IP(src=job["source"], dst=job["destination"]) / UDP(bytes_of(payload))
    sealed.append(bytes(sa.encrypt(packet, seq_num=job["low"] + number, esn_en=job["esn"], esn=job["high"])[ESP]).hex())
print(json.dumps({"opened": opened, "sealed": sealed}))
`;

interface Judged {
  readonly opened: readonly string[];
  readonly sealed: readonly string[];
}

for (const keyBytes of [16, 24, 32]) {
  for (const high of [undefined, 0, 3]) {
    const numbers = high === undefined ? "numbers of 32 bits" : `extended numbers above ${high} * 2^32`;
    test(`scapy opens our packets and we open scapy's: key of ${keyBytes} bytes, ${numbers}`, { skip: noScapy }, () => {
      const extendedSequence = high !== undefined;
      const one = association({ extendedSequence, material: new KeyMaterial(randomBytes(keyBytes + 4)) });
      const contents = [8, 9, 10, 11, 1400].map((length) => vxlan(new Uint8Array(randomBytes(length))));
      const before = (high ?? 0) * 2 ** 32 + 41;
      const job = {
        spi: one.spi,
        material: material(one),
        esn: extendedSequence,
        high: high ?? 0,
        low: 100,
        source: HERE,
        destination: THERE,
        sealed: sealAll(one, contents, before).map((packet) => hex(ipv4(packet))),
        contents: contents.map(hex),
      };
      const run = spawnSync(PYTHON, ["-c", judge], { input: JSON.stringify(job), encoding: "utf8", timeout: 60_000 });
      assert.equal(run.status, 0, run.stderr);
      const { opened, sealed } = JSON.parse(run.stdout) as Judged;
      assert.deepEqual(opened, job.contents);
      const cipher = one.material.withBytes((bytes) => allCiphers[1]!.create(bytes, 16, "inbound"));
      const meter = new Meter(noLimits, 0, () => undefined);
      const receiver = new InboundAssociation(
        { ...one, direction: "inbound" },
        cipher,
        VXLAN_PORT,
        meter,
        () => undefined,
      );
      // The receiver has to be where the sender is before it can infer the high half.
      for (let half = 1; half <= (high ?? 0) * 2; half++) {
        const slot = slotFor(sealAll(one, [vxlan(new Uint8Array(4))], half * 2 ** 31)[0]!);
        assert.equal(receiver.open(slot), undefined);
      }
      const received = sealed.map((packet) => {
        const slot = slotFor(unhex(packet));
        return receiver.open(slot) ?? hex(contentOf(slot));
      });
      assert.deepEqual(received, job.contents);
    });
  }
}
