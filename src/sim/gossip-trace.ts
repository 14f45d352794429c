/** What a gossip engine did, folded into a trace: each effect with its moment, its node and all it holds. */
import type { GossipEffect, MemberEvent } from "../gossip/effects.ts";
import type { PacketMessage, StreamMessage } from "../gossip/messages.ts";
import type { Trace } from "./trace.ts";

/** Fold in one effect of the node with this index at this moment of the world. */
export function traceEffect(trace: Trace, now: number, index: number, effect: GossipEffect): void {
  trace.mark();
  trace.number(now);
  trace.word(index);
  trace.text(effect.do);
  if ("to" in effect) traceEndpoint(trace, effect.to);
  if ("exchange" in effect) trace.word(effect.exchange);
  switch (effect.do) {
    case "packet":
      trace.word(effect.crc ? 1 : 0);
      for (const message of effect.messages) traceMessage(trace, message);
      return;
    case "dial":
    case "reply":
      traceMessage(trace, effect.message);
      return;
    case "tell":
      traceEvent(trace, effect.event);
      return;
    case "userMessage":
      trace.bytes(effect.payload);
      return;
    case "remoteState":
      trace.bytes(effect.userState);
      return;
    case "joinDone":
    case "sendDone":
      trace.text(effect.fault?.code ?? "");
      return;
    case "drop":
      trace.text(effect.code);
      return;
    case "pingComplete":
      trace.text(effect.node);
      return;
    default:
      return;
  }
}

function traceEndpoint(trace: Trace, { address, port }: { readonly address: string; readonly port: number }): void {
  trace.text(address);
  trace.word(port);
}

function traceEvent(trace: Trace, { kind, member }: MemberEvent): void {
  trace.text(kind);
  trace.text(member.name);
  trace.word(member.incarnation);
  trace.text(member.state);
}

function traceMessage(trace: Trace, message: PacketMessage | StreamMessage): void {
  trace.text(message.kind);
  if ("seqNo" in message) trace.word(message.seqNo);
  if ("node" in message) trace.text(message.node);
  if ("incarnation" in message) trace.word(message.incarnation);
  if ("from" in message) trace.text(message.from);
  if ("meta" in message) trace.bytes(message.meta);
  if ("payload" in message) trace.bytes(message.payload);
  if (message.kind !== "pushPull") return;
  for (const row of message.nodes) {
    trace.text(row.name);
    trace.word(row.incarnation);
    trace.text(row.state);
  }
}
