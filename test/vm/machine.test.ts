/** The machine itself: what the other tests in it rely on, and what its kernel can that others cannot. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { noMachine } from "../support/machine.ts";

const skip = noMachine;

function ip(...words: string[]): string {
  return execFileSync("ip", words, { encoding: "utf8" });
}

test("the guest runs Debian's kernel, as root", { skip }, () => {
  assert.match(readFileSync("/proc/version", "utf8"), /Debian/);
  assert.equal(process.getuid?.(), 0);
});

test("files of the host can be changed in the guest", { skip }, () => {
  writeFileSync("/etc/skep-was-here", "only in memory");
  assert.equal(existsSync("/etc/skep-was-here"), true);
});

test("the kernel has ESP with AES-GCM", { skip }, () => {
  ip("netns", "add", "esp");
  try {
    const key = `0x${randomBytes(20).toString("hex")}`;
    const ends = ["src", "192.0.2.1", "dst", "192.0.2.2", "proto", "esp", "spi", "0x1234"];
    ip("-n", "esp", "xfrm", "state", "add", ...ends, "mode", "transport", "aead", "rfc4106(gcm(aes))", key, "128");
    assert.match(ip("-n", "esp", "xfrm", "state"), /rfc4106\(gcm\(aes\)\) 0x[0-9a-f]{40} 128/);
  } finally {
    ip("netns", "delete", "esp");
  }
});
