/**
 * A Debian kernel, ready to boot: fetched by apt-get, unpacked without installing it, and kept.
 *
 * A kernel's folder in the cache holds `vmlinux` (what QEMU starts), `lib/modules/VERSION`, and `ready`, which is
 * written last. Nothing here runs a machine.
 */
import { execFile, execFileSync } from "node:child_process";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Fault } from "../../src/base/fault.ts";

const execute = promisify(execFile);

export interface Kernel {
  readonly version: string;
  /** What QEMU starts. */
  readonly image: string;
  readonly modules: string;
}

/** Follows the newest kernel of the Debian release that this machine runs. */
export const KERNEL_PACKAGE = "linux-image-amd64";

/** Folders of drivers for hardware that no machine here has: most of the package's size. */
const foreignModules = [
  ...["gpu", "media", "infiniband", "staging", "iio", "scsi", "usb", "hwmon", "input", "mtd", "video", "platform"],
  ...["leds", "bluetooth", "net/wireless", "net/ethernet", "mmc", "nfc", "power", "regulator", "isdn", "i2c"],
].map((name) => `drivers/${name}`);
const unwanted = [...foreignModules, "sound", "net/bluetooth", "net/mac80211", "net/wireless", "fs/xfs", "fs/btrfs"];

/** Why no machine can be run here, or `undefined`. Looks for the programs only, not for the kernel. */
export function missingPrograms(): string | undefined {
  const missing = Object.entries(programs).filter(([name]) => {
    const path = findProgram(name);
    return path === undefined || (name === "busybox" && !isStatic(path));
  });
  if (missing.length === 0) return undefined;
  const names = missing.map(([name, from]) => `${name} (${from})`).join(", ");
  return `not installed: ${names}`;
}

/** Each program with the Debian package it comes from. */
const programs: Readonly<Record<string, string>> = {
  "qemu-system-x86_64": "qemu-system-x86",
  busybox: "busybox-static",
  "apt-get": "a Debian system",
  "dpkg-deb": "a Debian system",
};

export function findProgram(name: string): string | undefined {
  const { PATH = "" } = process.env;
  const folders = `${PATH}:/usr/local/sbin:/usr/sbin:/sbin`.split(":");
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** A program without libraries names no loader in its first page. */
function isStatic(path: string): boolean {
  return !readFileSync(path).subarray(0, 4_096).includes("/ld-linux");
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export function cacheFolder(): string {
  const { SKEP_VM_CACHE: chosen, XDG_CACHE_HOME: caches } = process.env;
  return chosen ?? join(caches ?? join(homedir(), ".cache"), "skep", "vm");
}

/**
 * The kernel of a package, fetched when it is not in the cache. `tell` gets a line before and after each slow step.
 * Rejects with a `Fault` (`unavailable`) when it cannot be had.
 */
export async function prepareKernel(packageName: string, tell: (text: string) => void): Promise<Kernel> {
  const folder = join(cacheFolder(), packageName.replaceAll(/[^\w.+-]/g, "_"));
  if (!existsSync(join(folder, "ready"))) await unpackKernel(packageName, folder, tell);
  const version = readdirSync(join(folder, "lib/modules"))[0];
  if (version === undefined) throw new Fault("unavailable", `${packageName} holds no kernel modules`);
  return { version, image: join(folder, "vmlinux"), modules: join(folder, "lib/modules", version) };
}

/** Two at once would both do the work, each in a folder of its own; the first to finish wins. */
async function unpackKernel(packageName: string, folder: string, tell: (text: string) => void): Promise<void> {
  const work = `${folder}.${process.pid}`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  try {
    const real = await realPackage(packageName);
    const started = performance.now();
    tell(`fetching the kernel ${real}`);
    await download(real, work);
    tell("unpacking it");
    const file = readdirSync(work).find((name) => name.endsWith(".deb"));
    if (file === undefined) throw new Fault("unavailable", `apt-get brought no package ${real}`);
    const exclude = unwanted.map((name) => `--exclude='*/kernel/${name}'`).join(" ");
    const unpack = `dpkg-deb --fsys-tarfile '${file}' | tar -x ${exclude} ./boot ./lib/modules`;
    await must("bash", ["-euo", "pipefail", "-c", unpack], work);
    rmSync(join(work, file));
    await prepareModules(work);
    await extractImage(work);
    writeFileSync(join(work, "ready"), "");
    rmSync(folder, { recursive: true, force: true });
    await must("mv", ["-T", work, folder], "/");
    tell(`the kernel is ready after ${((performance.now() - started) / 1_000).toFixed(0)} s, and kept in ${folder}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** A package without version only depends on the one that holds the kernel. */
async function realPackage(name: string): Promise<string> {
  const { stdout } = await execute("apt-cache", ["depends", "--important", name]).catch(() => ({ stdout: "" }));
  return /^ *Depends: (linux-image-\d\S+)$/m.exec(stdout)?.[1] ?? name;
}

/** Lists from long ago name files that are gone; only root can renew them. */
async function download(name: string, folder: string): Promise<void> {
  const arguments_ = ["-q", "download", name];
  try {
    await must("apt-get", arguments_, folder);
  } catch (error) {
    if (process.getuid?.() !== 0) throw error;
    await must("apt-get", ["-q", "update"], folder);
    await must("apt-get", arguments_, folder);
  }
}

/** The package leaves it to the installation to index the modules; some releases compress each. */
async function prepareModules(folder: string): Promise<void> {
  const version = readdirSync(join(folder, "lib/modules"))[0] ?? "";
  const decompress = "find lib -name '*.ko.xz' -exec xz -d {} +; find lib -name '*.ko.zst' -exec zstd -q -d --rm {} +";
  await must("bash", ["-euc", decompress], folder);
  await must(findProgram("busybox") ?? "busybox", ["depmod", "-b", folder, version], folder);
}

/** Compression formats by their first bytes, with the command that undoes each. */
const decompressors: readonly [magic: string, command: string][] = [
  ["fd377a58", "xz"],
  ["28b52ffd", "zstd"],
  ["1f8b08", "gzip"],
  ["02214c18", "lz4"],
];

/**
 * A machine without hardware acceleration spends several seconds on decompressing its own kernel. QEMU can also start
 * the ELF file inside, by the PVH entry. Its place is in the header (Documentation/arch/x86/boot.rst of Linux): 0x1f1
 * sectors of set-up code, 0x248 payload offset behind them, 0x24c payload length. Without the command that
 * decompresses it, the kernel is started as it came.
 */
async function extractImage(folder: string): Promise<void> {
  const name = readdirSync(join(folder, "boot")).find((file) => file.startsWith("vmlinuz-"));
  if (name === undefined) throw new Fault("unavailable", "the package holds no kernel");
  const image = readFileSync(join(folder, "boot", name));
  const at = (image.readUInt8(0x1f1) + 1) * 512 + image.readUInt32LE(0x248);
  // The last 4 bytes are the length of what comes out.
  const payload = image.subarray(at, at + image.readUInt32LE(0x24c) - 4);
  const magic = payload.subarray(0, 4).toString("hex");
  const command = decompressors.find(([prefix]) => magic.startsWith(prefix))?.[1];
  const plain = command !== undefined && findProgram(command) !== undefined;
  writeFileSync(join(folder, "vmlinux"), plain ? decompress(command, payload) : image);
}

function decompress(command: string, payload: Buffer): Buffer {
  return execFileSync(command, ["-dc"], { input: payload, maxBuffer: 512 * 1_024 * 1_024 });
}

async function must(command: string, args: readonly string[], folder: string): Promise<void> {
  try {
    await execute(command, args, { cwd: folder, maxBuffer: 16 * 1_024 * 1_024 });
  } catch (error) {
    const { stderr = "" } = error as { stderr?: string };
    const lines = stderr.trim().split("\n").slice(-4).join("; ");
    throw new Fault("unavailable", `${command} failed: ${lines === "" ? String(error) : lines}`);
  }
}
