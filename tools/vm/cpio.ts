/**
 * Writes an archive in cpio's "newc" format, which Linux unpacks as the first files of a machine.
 * Source: Documentation/driver-api/early-userspace/buffer-format.rst of Linux.
 */

/** One file or, without contents, one folder. Parents come before their children. */
export interface Entry {
  /** Relative to the root, without a slash in front. */
  readonly path: string;
  readonly contents?: Uint8Array | string;
  readonly executable?: boolean;
}

const FOLDER = 0o040_755;
const FILE = 0o100_644;
const PROGRAM = 0o100_755;
const END = "TRAILER!!!";

export function cpio(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap(({ path, contents, executable }, index) => {
    if (contents === undefined) return record(index + 1, path, FOLDER, Buffer.alloc(0));
    return record(index + 1, path, executable === true ? PROGRAM : FILE, Buffer.from(contents));
  });
  return Buffer.concat([...parts, ...record(0, END, 0, Buffer.alloc(0))]);
}

/** The header of 110 bytes and the name, padded to 4 bytes together; then the contents, padded as well. */
function record(inode: number, path: string, mode: number, contents: Buffer): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  const links = mode === FOLDER ? 2 : 1;
  // inode, mode, owner, group, links, time, size, device and special device as major and minor, name, checksum
  const numbers = [inode, mode, 0, 0, links, 0, contents.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(`070701${numbers.map((number) => number.toString(16).padStart(8, "0")).join("")}`);
  return [header, name, padding(header.length + name.length), contents, padding(contents.length)];
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
