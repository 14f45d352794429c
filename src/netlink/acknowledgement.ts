/**
 * How the kernel says yes or no: NLMSG_ERROR, which is also the acknowledgement, and NLMSG_DONE at the end of a dump.
 *
 * ```text
 * NLMSG_ERROR                                              NLMSG_DONE
 *  0 error i32: 0 or an errno, negated                      0 error i32
 *  4 header of the request, 16 bytes                        4 attributes, if the flags say so
 * 20 body of the request, unless the flags say "capped"
 *    attributes, if the flags say so: 1 message text, 2 offset u32 into the request, 5 missing type u32
 * ```
 *
 * Source: include/uapi/linux/netlink.h (`nlmsgerr`, `nlmsgerr_attrs`) and net/netlink/af_netlink.c of Linux.
 */
import { Fault } from "../base/fault.ts";
import { noBytes } from "../wire/bytes.ts";
import { parseAttributes, textIn, u32In } from "./attributes.ts";
import { aligned, HEADER_BYTES, type Message, NLM, NLMSG } from "./message.ts";

export interface Acknowledgement {
  /** 0: done. */
  readonly errno: number;
  /** In the kernel's own words; empty if it had none. */
  readonly text: string;
}

const ERRNO_MAX = 4095;
const TEXT_LENGTH_MAX = 256;
const LITTLE = true;
const ATTRIBUTES = { message: 1, offset: 2, missingType: 5 } as const;

/** What a message of type NLMSG_ERROR or NLMSG_DONE says. Throws `Fault` (`truncated`, `malformed`). */
export function decodeAcknowledgement(message: Message): Acknowledgement {
  const { body, flags, type } = message;
  // Some families end a dump with nothing at all.
  if (type === NLMSG.done && body.length === 0) return { errno: 0, text: "" };
  if (body.length < 4) throw new Fault("truncated", `an acknowledgement of ${body.length} bytes`);
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  // The end of a dump may count its rows instead.
  const errno = Math.max(0, -view.getInt32(0, LITTLE));
  if (errno > ERRNO_MAX) throw new Fault("malformed", `an errno of ${errno}`);
  const attributes = (flags & NLM.ackAttributes) === 0 ? noBytes : body.subarray(attributesAt(message, view));
  return { errno, text: explanation(attributes) };
}

function attributesAt({ type, flags, body }: Message, view: DataView): number {
  if (type === NLMSG.done) return 4;
  if (body.length < 4 + HEADER_BYTES) throw new Fault("truncated", "an acknowledgement without its request");
  if ((flags & NLM.capped) !== 0) return 4 + HEADER_BYTES;
  const requestBytes = view.getUint32(4, LITTLE);
  if (requestBytes < HEADER_BYTES || requestBytes > body.length - 4) {
    throw new Fault("truncated", "an acknowledgement without its request");
  }
  return 4 + aligned(requestBytes);
}

function explanation(bytes: Uint8Array): string {
  if (bytes.length === 0) return "";
  const attributes = parseAttributes(bytes);
  const text = (textIn(attributes.get(ATTRIBUTES.message)) ?? "").slice(0, TEXT_LENGTH_MAX);
  const offset = u32In(attributes.get(ATTRIBUTES.offset));
  const missing = u32In(attributes.get(ATTRIBUTES.missingType));
  const notes = [
    text,
    offset === undefined ? "" : `at byte ${offset}`,
    missing === undefined ? "" : `attribute ${missing} is missing`,
  ];
  return notes.filter((note) => note !== "").join(", ");
}
