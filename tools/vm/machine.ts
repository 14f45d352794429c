/**
 * One machine in QEMU that runs one command over this machine's files, and is gone afterwards.
 *
 * The guest's output comes through ports of its own (virtio-serial), so that the kernel's console does not get in
 * between. The processor is always emulated: a machine that runs in a virtual machine itself may have a /dev/kvm on
 * which nothing boots.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { cpio, type Entry } from "./cpio.ts";
import { findProgram, type Kernel } from "./kernel.ts";

export interface MachineOptions {
  readonly command: readonly string[];
  /** Where the command runs. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Folders that the guest may write to, each at its own path. */
  readonly shares: readonly string[];
  /** Kernel modules to load first; most load by themselves. */
  readonly modules: readonly string[];
  readonly seconds: number;
  readonly processors: number;
  readonly memoryMib: number;
}

export type Ending =
  | { readonly how: "exit"; readonly status: number }
  | { readonly how: "timeout" }
  /** The machine ended before the command did. */
  | { readonly how: "lost" };

export interface Run {
  readonly ending: Ending;
  /** Everything that the kernel and QEMU printed. */
  readonly console: string;
}

/** What must be there before the host's files are. */
const bootModules = ["virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_console"];

export async function runMachine(
  kernel: Kernel,
  options: MachineOptions,
  output: { readonly out: Writable; readonly err: Writable },
): Promise<Run> {
  const work = realpathSync(mkdtempSync(join(tmpdir(), "skep-vm-")));
  try {
    const archive = join(work, "first-files");
    writeFileSync(archive, cpio(firstFiles(kernel, options)));
    return await runQemu(kernel, options, archive, work, output);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function runQemu(
  kernel: Kernel,
  options: MachineOptions,
  archive: string,
  work: string,
  output: { readonly out: Writable; readonly err: Writable },
): Promise<Run> {
  const consoleFile = join(work, "console");
  writeFileSync(consoleFile, "");
  const child = spawn(findProgram("qemu-system-x86_64") ?? "", qemuArguments(kernel, options, archive, consoleFile), {
    stdio: ["ignore", "pipe", "pipe", "pipe", "pipe", "pipe"],
  });
  const killed = (): void => void child.kill("SIGKILL");
  process.on("exit", killed);
  let said = "";
  let status = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (said += String(chunk)));
  const [, , , out, err, exit] = child.stdio as unknown as Readable[];
  out?.pipe(output.out, { end: false });
  err?.pipe(output.err, { end: false });
  exit?.on("data", (chunk) => (status += String(chunk)));
  let late = false;
  const guard = setTimeout(() => {
    late = true;
    killed();
  }, options.seconds * 1_000);
  await new Promise<void>((done) => {
    child.on("error", (error) => {
      said += error.message;
      done();
    });
    child.on("close", () => done());
  });
  clearTimeout(guard);
  process.off("exit", killed);
  return { ending: endingOf(status, late), console: readFileSync(consoleFile, "utf8") + said };
}

function endingOf(status: string, late: boolean): Ending {
  if (/^\d+\n$/.test(status)) return { how: "exit", status: Number(status) };
  return late ? { how: "timeout" } : { how: "lost" };
}

function qemuArguments(kernel: Kernel, options: MachineOptions, archive: string, consoleFile: string): string[] {
  const port = (name: string, fd: number): string[] => [
    ...["-chardev", `socket,id=${name},fd=${fd}`],
    ...["-device", `virtserialport,chardev=${name},name=${name}`],
  ];
  const files = (tag: string, path: string, more: string): string[] => [
    ...["-fsdev", `local,id=${tag},path=${path.replaceAll(",", ",,")},security_model=none,multidevs=remap${more}`],
    ...["-device", `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`],
  ];
  return [
    ...["-machine", "q35", "-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max"],
    ...["-smp", String(options.processors), "-m", String(options.memoryMib)],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none"],
    ...["-kernel", kernel.image, "-initrd", archive],
    ...["-append", "console=ttyS0 quiet panic=-1 mitigations=off nowatchdog tsc=reliable no_timer_check apparmor=0"],
    ...["-serial", `file:${consoleFile}`],
    ...files("root", "/", ",readonly=on"),
    ...options.shares.flatMap((path, at) => files(`share${at}`, path, "")),
    ...["-device", "virtio-serial-pci", ...port("out", 3), ...port("err", 4), ...port("status", 5)],
  ];
}

function firstFiles(kernel: Kernel, options: MachineOptions): Entry[] {
  const modules = loadingOrder(readFileSync(join(kernel.modules, "modules.dep"), "utf8"), bootModules);
  const names = modules.map((path) => path.slice(path.lastIndexOf("/") + 1));
  const shares = options.shares.map((path, at) => `share${at} ${path}\n`);
  const settings = {
    KERNEL_VERSION: kernel.version,
    KERNEL_MODULES: kernel.modules,
    LOAD: options.modules.join(" "),
    FOLDER: options.folder,
  };
  const environment = { SKEP_VM: "1", ...options.environment };
  return [
    { path: "bin" },
    { path: "bin/busybox", contents: readFileSync(findProgram("busybox") ?? ""), executable: true },
    { path: "modules" },
    ...modules.map((path, at) => ({
      path: `modules/${names[at]}`,
      contents: readFileSync(join(kernel.modules, path)),
    })),
    { path: "modules/order", contents: `${names.join("\n")}\n` },
    { path: "init", contents: script("init.sh"), executable: true },
    { path: "guest.sh", contents: script("guest.sh") },
    { path: "shares", contents: shares.join("") },
    { path: "settings", contents: assignments(settings) },
    { path: "command", contents: `${exports(environment)}exec ${options.command.map(quote).join(" ")}\n` },
  ];
}

/** Paths of modules, each behind those it needs. A line of modules.dep names the deepest last. */
export function loadingOrder(dependencies: string, wanted: readonly string[]): string[] {
  const order = new Set<string>();
  for (const line of dependencies.split("\n")) {
    const paths = line
      .replace(":", "")
      .split(" ")
      .filter((path) => path !== "");
    const name = paths[0]?.replace(/.*\//, "").replace(".ko", "").replaceAll("-", "_");
    if (name !== undefined && wanted.includes(name)) for (const path of paths.reverse()) order.add(path);
  }
  return [...order];
}

function script(name: string): string {
  return readFileSync(fileURLToPath(new URL(name, import.meta.url)), "utf8");
}

function assignments(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${quote(value)}\n`)
    .join("");
}

function exports(values: Readonly<Record<string, string>>): string {
  return assignments(values).replaceAll(/^(?=\w+=)/gm, "export ");
}

/** One word for a shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
