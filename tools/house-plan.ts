/**
 * The plan of the house: which floor each folder of src/ is on, what it may use, and which rooms a protocol has.
 * house-rules.ts checks the tree against it, house.ts draws it. To build a new folder, give it a place here.
 */

/** Imports go to the same folder or to a strictly lower floor. */
export const floors: readonly (readonly string[])[] = [
  ["base"],
  ["wire", "port"],
  ["model", "crypt", "ipam"],
  ["store", "gossip", "esp", "dns", "netlink"],
  ["tables", "ca"],
  ["overlay", "swarm"],
  ["agent"],
  ["api", "plugin", "cli"],
  ["main"],
];

export const ROOF = floors.length - 1;

/**
 * Beside the floors stand those who meet the world, for real or pretended, with the highest floor each may use.
 * Nobody but main/ (and tests, benches, tools) may name them, or each other.
 */
export const wing: Readonly<Record<string, number>> = {
  /** The real system behind the ports. */
  os: 2,
  /** A simulated world behind the ports; it runs whole protocols. */
  sim: ROOF - 1,
  /** Hosts as network namespaces, for the demo and tests, never part of a node; judges what it captured. */
  lab: ROOF - 1,
};

/** The built-in modules of Node.js each folder may import; the folders not named here may import none. */
export const builtins: Readonly<Record<string, "any" | readonly string[]>> = {
  os: "any",
  lab: "any",
  main: "any",
  /** Synchronous, and without a system behind it; node:zlib for its CRC-32. */
  crypt: ["node:crypto", "node:zlib"],
};

/** Packages that only these folders may import; packages not named here are free. */
export const packages: Readonly<Record<string, readonly string[]>> = {
  koffi: ["os"],
  pino: ["os"],
  commander: ["cli", "main"],
  "ipaddr.js": ["base"],
};

/** Rooms of a folder that holds a protocol, in the order they may know each other: never the next, always the former. */
export const rooms = ["contract", "noun", "engine", "service"] as const;
export type Room = (typeof rooms)[number];

/** Folders that hold one protocol each, in rooms of the same names. */
const protocols = ["gossip", "esp", "dns", "store", "tables", "ca", "overlay", "swarm", "agent"];
const contracts = ["messages", "effects", "limits", "config"];

/** Which room of its protocol a file of src/ is; `undefined` in folders that hold none. */
export function roomOf(path: string): Room | undefined {
  if (!protocols.includes(folderOf(path) ?? "")) return undefined;
  const name = path.slice(path.lastIndexOf("/") + 1).replace(/\.ts$/, "");
  if (contracts.includes(name)) return "contract";
  if (isPart(name, "engine")) return "engine";
  return isPart(name, "service") || name.endsWith("-shell") ? "service" : "noun";
}

/** `engine.ts` and `engine-probe.ts` are both parts of the engine; what ends in `-shell.ts` is part of the service. */
function isPart(name: string, room: string): boolean {
  return name === room || name.startsWith(`${room}-`);
}

/** Folders without a shell: everything in them is pure. Of protocol folders, all rooms but the service are. */
export const pureFolders = ["base", "wire", "model", "ipam", "netlink"];

/** What a pure room never says: it neither waits nor asks for the time nor throws dice. */
export const waitingWords = ["async", "await", "Promise", "queueMicrotask"];
/** Ambient time, chance and process; even those who wait get them through a port. */
export const ambientWords = ["Date", "performance", "setTimeout", "setInterval", "setImmediate", "process"];

/** The folder of src/ that a file is in; `undefined` for files outside of src/ or in no folder. */
export function folderOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

/** The floor of a folder of src/; `undefined` for the wing and for folders without a place. */
export function floorOf(folder: string): number | undefined {
  const floor = floors.findIndex((folders) => folders.includes(folder));
  return floor < 0 ? undefined : floor;
}
