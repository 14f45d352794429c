/**
 * The door to network namespaces. Handles are open files: a namespace lives as long as a handle, a process, or a path
 * holds it. Every method throws `KernelFault` when the system refuses.
 */

export interface NetworkNamespace {
  /** The same for two handles of one namespace, another for two namespaces that exist at the same time. */
  readonly identity: string;
  /** An open file; belongs to the handle. */
  readonly descriptor: number;
  /** Let a path hold the namespace. The path must not exist; folders above it must. */
  bind(path: string): void;
  /** Write a kernel parameter, "net/ipv4/ip_forward" for example. Throws `Fault` (`invalid`) for other paths. */
  writeSetting(path: string, value: string): void;
  readSetting(path: string): string;
  close(): void;
}

export interface NetworkNamespaces {
  /** The one this process is in. */
  current(): NetworkNamespace;
  /** Of a file such as "/run/netns/blue" or "/proc/4711/ns/net". */
  open(path: string): NetworkNamespace;
  /** A new one, which only its handle holds. The process stays where it is. */
  create(): NetworkNamespace;
  /** Take a path away from the namespace that it holds. Throws `KernelFault` (`ENOENT`) when there is none. */
  unbind(path: string): void;
}
