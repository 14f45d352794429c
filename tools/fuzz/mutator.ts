/**
 * Makes new inputs out of old ones: one to six cuts on a seed. Now and then it keeps what a target accepted, or
 * refused for a new reason, as a further seed, so that later inputs start deeper.
 */
import type { Random } from "../../src/port/random.ts";
import { Draft, INPUT_BYTES_MAX } from "./draft.ts";
import { randomMsgpack } from "./random-msgpack.ts";

/** Kept inputs beside the seeds; the oldest is replaced. */
const KEPT_MAX = 256;
/** Longer inputs are not kept: they would make every later one slow. */
const KEPT_BYTES_MAX = 4_096;
const CUTS_MAX = 6;

const interestingBytes = [
  0, 1, 0x0f, 0x10, 0x20, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0xa0, 0xbf, 0xc0, 0xd9, 0xdf, 0xfe, 0xff,
];
const interestingNumbers = [
  0, 1, 2, 4, 15, 16, 31, 32, 127, 128, 255, 256, 511, 512, 513, 1024, 4095, 4096, 32_767, 32_768, 65_535, 65_536,
  0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff,
];

export interface Material {
  readonly seeds: readonly Uint8Array[];
  readonly words: readonly Uint8Array[];
}

export class Mutator {
  readonly #random: Random;
  readonly #seeds: readonly Uint8Array[];
  readonly #words: readonly Uint8Array[];
  readonly #kept: Uint8Array[] = [];
  readonly #draft = new Draft();
  #keptAt = 0;

  /** All ways to damage a draft at some place; the more usual ones stand here twice. */
  readonly #cuts: readonly ((draft: Draft, at: number) => void)[] = [
    (draft, at) => draft.overwrite(at, Uint8Array.of(draft.bytes[at]! ^ (1 << this.#below(8)))),
    (draft, at) => draft.overwrite(at, Uint8Array.of(draft.bytes[at]! ^ (1 << this.#below(8)))),
    (draft, at) => draft.overwrite(at, Uint8Array.of(this.#one(interestingBytes))),
    (draft, at) => draft.overwrite(at, Uint8Array.of(this.#random.u32())),
    (draft, at) => draft.overwrite(at, this.#number(draft.length - at)),
    (draft, at) => draft.overwrite(at, this.#number(draft.length - at)),
    (draft, at) => draft.overwrite(at, this.#one(this.#words) ?? this.#number(at)),
    (draft, at) => draft.remove(at, draft.length - at),
    (draft, at) => draft.remove(at, this.#span(at)),
    (draft, at) => draft.insert(at, draft.copy(at, this.#span(at))),
    (draft, at) => draft.insert(at, this.#random.bytes(this.#below(9))),
    (draft, at) => draft.insert(at, this.#one(this.#words) ?? this.#number(at)),
    (draft, at) => draft.insert(at, randomMsgpack(this.#random, this.#words)),
    (_, at) => this.#splice(at),
    (_, at) => this.#replaceTail(at),
    (_, at) => this.#repeat(at),
  ];

  constructor({ seeds, words }: Material, random: Random) {
    this.#random = random;
    this.#seeds = seeds.length > 0 ? seeds : [new Uint8Array(0)];
    this.#words = words;
  }

  /** The next input, in fresh memory. */
  next(): Uint8Array {
    const draft = this.#draft;
    draft.start(this.#pickInput());
    for (let cuts = 1 + this.#below(this.#below(CUTS_MAX) + 1); cuts > 0; cuts--) this.#cut();
    return draft.take();
  }

  /** Make more of `input` from now on. */
  keep(input: Uint8Array): void {
    if (input.length > KEPT_BYTES_MAX) return;
    this.#kept[this.#keptAt] = input;
    this.#keptAt = (this.#keptAt + 1) % KEPT_MAX;
  }

  #cut(): void {
    const draft = this.#draft;
    this.#one(this.#cuts)(draft, this.#below(draft.length));
  }

  /** From here on, or for a while, another input. */
  #splice(at: number): void {
    const other = this.#pickInput();
    const from = this.#below(other.length);
    if (this.#below(2) === 0) {
      this.#draft.remove(at, this.#draft.length - at);
      this.#draft.insert(at, other.subarray(from));
    } else this.#draft.insert(at, other.subarray(from, from + this.#below(other.length - from + 1)));
  }

  #replaceTail(at: number): void {
    const keep = this.#below(4) === 0 ? at : Math.min(at, 2);
    this.#draft.remove(keep, this.#draft.length - keep);
    this.#draft.insert(keep, randomMsgpack(this.#random, this.#words));
  }

  /** A span many times: seldom enough to fill the whole input. */
  #repeat(at: number): void {
    const span = this.#draft.copy(at, this.#span(at));
    if (span.length === 0) return;
    const limit = this.#below(64) === 0 ? INPUT_BYTES_MAX : 600;
    const times = this.#below(Math.floor(limit / span.length) + 1);
    const repeated = new Uint8Array(span.length * times);
    for (let index = 0; index < times; index++) repeated.set(span, index * span.length);
    this.#draft.insert(at, repeated);
  }

  /** A number as a length or count might stand there: near `rest`, or near an edge; 1, 2, 4 or 8 bytes, either end first. */
  #number(rest: number): Uint8Array {
    const base = this.#below(2) === 0 ? rest : this.#one(interestingNumbers);
    const value = Math.max(0, base + this.#below(7) - 3);
    const width = 1 << this.#below(4);
    const bytes = new Uint8Array(width);
    const isLittle = this.#below(4) === 0;
    for (let index = 0; index < Math.min(width, 6); index++) {
      bytes[isLittle ? index : width - 1 - index] = Math.floor(value / 2 ** (8 * index));
    }
    return bytes;
  }

  #pickInput(): Uint8Array {
    const kept = this.#kept.length > 0 && this.#below(2) === 0;
    return this.#one(kept ? this.#kept : this.#seeds);
  }

  /** The length of a span at `at`, short ones more often. */
  #span(at: number): number {
    return this.#below(this.#below(this.#draft.length - at + 1) + 1);
  }

  #one<Item>(items: readonly Item[]): Item {
    return items[this.#below(items.length)] as Item;
  }

  /** In 0..count-1, nearly uniform; 0 if there is nothing to choose from. */
  #below(count: number): number {
    return count > 1 ? this.#random.u32() % count : 0;
  }
}
