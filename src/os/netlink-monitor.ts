/**
 * What the kernel reports by itself, for real.
 *
 * Node.js cannot watch sockets that it did not make, so ONE poll waits for all of them on a thread of its pool, and an
 * eventfd wakes it when the set of sockets changes. While anybody listens that thread is taken: the pool has four unless
 * `UV_THREADPOOL_SIZE` says otherwise. Listeners keep the process alive, as other sockets do.
 * Source: poll(2), eventfd(2), netlink(7).
 */
import { closeSync, readSync, writeSync } from "node:fs";
import { assert } from "../base/assert.ts";
import { isErrno } from "../base/errno.ts";
import { Fault } from "../base/fault.ts";
import type { NetlinkListener, NetlinkSockets } from "../port/netlink.ts";
import { openNetlink, openSocket, receiveFrom } from "./netlink.ts";
import { must, systemCalls } from "./system-calls.ts";

const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const EFD_BYTES = 8;
const POLLIN = 0x1;
/** `pollfd`: descriptor i32, wanted events u16, events that happened u16. */
const POLL_BYTES = 8;
/** In case the process ends without telling: this long its end may wait. */
const POLL_MS = 2_000;
/** A flood of reports on one socket must not starve the others, nor the program. */
const DATAGRAMS_PER_TURN = 512;

export const systemNetlink: NetlinkSockets = {
  open: openSocket,
  listen(namespace, family, groups, listener) {
    const descriptor = openNetlink(namespace, family, groups);
    watch.add(descriptor, listener);
    return { close: () => watch.remove(descriptor, listener) };
  },
};

/** All sockets that somebody listens to, and the one poll that waits for them. */
class Watch {
  readonly #listeners = new Map<number, NetlinkListener>();
  /**
   * Sockets that lost reports. The kernel says so once, and then drops all others until everything is read: only then is
   * it worth looking at everything, and what was read on the way is worth nothing.
   */
  readonly #overrun = new Set<number>();
  /** Not to be closed while the poll, which has their numbers, is still out. */
  readonly #removed: number[] = [];
  /** The eventfd; open while a poll is out. */
  #alarm: number | undefined;
  /** The end of the process waits for its pool threads, so the poll has to come home first. */
  readonly #atExit = (): void => {
    if (this.#alarm !== undefined) writeSync(this.#alarm, ONE);
  };

  add(descriptor: number, listener: NetlinkListener): void {
    this.#listeners.set(descriptor, listener);
    this.#changed();
  }

  remove(descriptor: number, listener: NetlinkListener): void {
    if (this.#listeners.get(descriptor) !== listener) return;
    this.#listeners.delete(descriptor);
    this.#overrun.delete(descriptor);
    this.#removed.push(descriptor);
    this.#changed();
  }

  #changed(): void {
    if (this.#alarm !== undefined) {
      writeSync(this.#alarm, ONE);
      return;
    }
    this.#alarm = must("make an eventfd", () => systemCalls().eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    process.on("exit", this.#atExit);
    this.#poll(this.#alarm);
  }

  #poll(alarm: number): void {
    const descriptors = [alarm, ...this.#listeners.keys()];
    const bytes = new Uint8Array(descriptors.length * POLL_BYTES);
    const view = new DataView(bytes.buffer);
    for (const [index, descriptor] of descriptors.entries()) {
      view.setInt32(index * POLL_BYTES, descriptor, true);
      view.setUint16(index * POLL_BYTES + 4, POLLIN, true);
    }
    systemCalls().poll(bytes, descriptors.length, POLL_MS, (error, result) => {
      assert(error === null, "the pool carries out a poll");
      for (const descriptor of this.#removed.splice(0)) closeSync(descriptor);
      // Below zero: interrupted by a signal, so nothing is known; ask again.
      const ready =
        result < 0 ? [] : descriptors.filter((_, index) => view.getUint16(index * POLL_BYTES + 6, true) !== 0);
      if (ready[0] === alarm) readSync(alarm, new Uint8Array(EFD_BYTES));
      for (const descriptor of ready) this.#read(descriptor);
      this.#next(alarm);
    });
  }

  #next(alarm: number): void {
    if (this.#listeners.size > 0) {
      this.#poll(alarm);
      return;
    }
    this.#alarm = undefined;
    process.off("exit", this.#atExit);
    closeSync(alarm);
    for (const descriptor of this.#removed.splice(0)) closeSync(descriptor);
  }

  #read(descriptor: number): void {
    for (let datagrams = 0; datagrams < DATAGRAMS_PER_TURN; datagrams++) {
      // A listener may close itself, or others, on the way.
      const listener = this.#listeners.get(descriptor);
      if (listener === undefined) return;
      try {
        const bytes = receiveFrom(descriptor);
        if (bytes === undefined) {
          if (this.#overrun.delete(descriptor)) listener.overrun();
          return;
        }
        if (!this.#overrun.has(descriptor)) listener.heard(bytes);
      } catch (error) {
        this.#failed(error, descriptor, listener);
      }
    }
  }

  #failed(error: unknown, descriptor: number, listener: NetlinkListener): void {
    if (!(error instanceof Fault)) throw error;
    if (isErrno(error, "ENOBUFS")) this.#overrun.add(descriptor);
    else {
      this.remove(descriptor, listener);
      listener.failed(error);
    }
  }
}

const ONE = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);
const watch = new Watch();
