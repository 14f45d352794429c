/**
 * The keys of one node as people handle them: base64 in, ids out, and a file that follows every change.
 *
 * The file is a JSON array of base64 keys, the first encrypts, as Serf's `-keyring-file`. It is written before the
 * ring changes, so a key that is in use is never only in memory. This is the only place that keeps the text of keys,
 * because a `SymmetricKey` does not give its bytes away; nothing here ends up in an error or a log.
 */
import { readFile, stat } from "node:fs/promises";
import { Fault } from "../base/fault.ts";
import type { KeyView } from "../cli/gossip-control.ts";
import { SymmetricKey } from "../crypt/aead.ts";
import { Keyring } from "../gossip/keyring.ts";
import { writeFileAtomically } from "../os/atomic-file.ts";
import type { Log } from "../port/log.ts";

const FILE_BYTES_MAX = 64 * 1024;
const FILE_MODE = 0o600;
const OTHERS_MAY = 0o077;

export interface KeyStoreOptions {
  /** Base64; fills a file that does not exist yet, and is ignored when it does. */
  readonly encrypt: string | undefined;
  readonly file: string | undefined;
}

export class KeyStore {
  readonly keyring: Keyring;
  readonly #file: string | undefined;
  /** Base64 by key id. */
  readonly #texts = new Map<string, string>();
  /** Changes wait for each other. */
  #last: Promise<void> = Promise.resolve();

  private constructor(file: string | undefined, texts: readonly string[]) {
    this.#file = file;
    this.keyring = new Keyring();
    for (const text of texts) this.keyring.install(this.#parse(text));
  }

  /** Rejects with a `Fault`: `invalid` for keys or a file that are none, `unavailable` for a file out of reach. */
  static async open({ encrypt, file }: KeyStoreOptions, log: Log): Promise<KeyStore> {
    const saved = file === undefined ? undefined : await readKeys(file, log);
    if (saved !== undefined) {
      if (encrypt !== undefined)
        log.warn("the keyring file is there, so the key given beside it is not used", { file });
      return new KeyStore(file, saved);
    }
    const store = new KeyStore(file, encrypt === undefined ? [] : [encrypt]);
    await store.#save(store.keyring);
    return store;
  }

  /** Primary first. */
  list(): KeyView[] {
    return this.keyring.list().map(({ id }, index) => ({ id, primary: index === 0 }));
  }

  /** `text`: base64. Rejects with a `Fault`. */
  install(text: string): Promise<void> {
    return this.#change(() => {
      if (this.keyring.isEmpty) {
        throw new Fault("conflict", "the node runs without encryption; start it with a key to change that");
      }
      const key = this.#parse(text);
      return (ring) => ring.install(key);
    });
  }

  /** `text`: base64 or an id. Rejects with a `Fault`. */
  use(text: string): Promise<void> {
    return this.#change(() => {
      const key = this.#find(text);
      return (ring) => ring.use(key);
    });
  }

  /** `text`: base64 or an id. Rejects with a `Fault`. */
  remove(text: string): Promise<void> {
    return this.#change(() => {
      const key = this.#find(text);
      return (ring) => ring.remove(key);
    });
  }

  /** Try on a copy, save the copy, then do it. */
  #change(prepare: () => (ring: Keyring) => void): Promise<void> {
    const change = this.#last.then(async () => {
      const apply = prepare();
      const copy = new Keyring(this.keyring.list());
      apply(copy);
      await this.#save(copy);
      apply(this.keyring);
      this.#forgetTexts();
    });
    this.#last = change.catch(() => undefined);
    return change;
  }

  async #save(ring: Keyring): Promise<void> {
    if (this.#file === undefined || ring.isEmpty) return;
    const texts = ring.list().map(({ id }) => this.#texts.get(id));
    await writeFileAtomically(this.#file, `${JSON.stringify(texts, null, 2)}\n`, FILE_MODE);
  }

  #find(text: string): SymmetricKey {
    const found = this.keyring.list().find(({ id }) => id === text);
    if (found !== undefined) return found;
    if (/^[0-9a-f]{16}$/.test(text)) throw new Fault("notFound", `key ${text} is not in the keyring`);
    return parseKey(text);
  }

  #parse(text: string): SymmetricKey {
    const key = parseKey(text);
    this.#texts.set(key.id, text);
    return key;
  }

  #forgetTexts(): void {
    const ids = new Set(this.keyring.list().map(({ id }) => id));
    for (const id of this.#texts.keys()) if (!ids.has(id)) this.#texts.delete(id);
  }
}

/** Throws `Fault` (`invalid`) that does not repeat the text. */
export function parseKey(text: string): SymmetricKey {
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) throw new Fault("invalid", "a key is not in base64");
  const key = new SymmetricKey(bytes);
  bytes.fill(0);
  return key;
}

/** `undefined` if there is no file. */
async function readKeys(file: string, log: Log): Promise<readonly string[] | undefined> {
  let text: string;
  try {
    const { size, mode } = await stat(file);
    if (size > FILE_BYTES_MAX) throw new Fault("invalid", `${file} is too long for a keyring`);
    if ((mode & OTHERS_MAY) !== 0) log.warn("the keyring file is open to other users; make it 0600", { file });
    text = await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Fault) throw error;
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new Fault("unavailable", `${file} cannot be read: ${(error as Error).message}`, error);
  }
  return keysOf(text, file);
}

/** The parser's own message would quote the file. */
function keysOf(text: string, file: string): readonly string[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Fault("invalid", `${file} does not hold JSON`);
  }
  if (Array.isArray(value) && value.length > 0 && value.every((key) => typeof key === "string")) return value;
  throw new Fault("invalid", `${file} does not hold a JSON array of keys in base64`);
}
