/** The door to the folder whose files hold the network namespaces of sandboxes, over restarts of the node. */
export interface SandboxFolder {
  /** Names of the files that are there; ours alone. Throws `Fault` (`unavailable`) when the folder cannot be read. */
  names(): string[];
  /** Where the file of this name is. */
  pathOf(name: string): string;
  /** Remove a file that holds no namespace any more. */
  forget(name: string): void;
}
