/** What the commands of `skep gossip` do, on the real system. */
import { text } from "node:stream/consumers";
import { Fault } from "../base/fault.ts";
import type { ControlOptions, GossipActions } from "../cli/gossip.ts";
import type { ControlRequest, KeyView, MemberView } from "../cli/gossip-control.ts";
import { printKeys, printMembers, printStats } from "../cli/gossip-print.ts";
import { json } from "../cli/print.ts";
import { systemClock } from "../os/clock.ts";
import { openLog } from "../os/log.ts";
import { systemRandom } from "../os/random.ts";
import { askNode } from "./control-client.ts";
import { runGossipNode } from "./gossip-node.ts";

const ASK_TIMEOUT_MS = 10_000;

/** `stopAsked` resolves at the first SIGINT or SIGTERM, and is only asked for by the command that runs a node. */
export function gossipActions(write: (text: string) => void, stopAsked: () => Promise<void>): GossipActions {
  return {
    run: async (options) => {
      const log = openLog({ level: options.logLevel, format: process.stderr.isTTY ? "human" : "json" });
      try {
        return await runGossipNode(options, { log, write, stopAsked: stopAsked() });
      } finally {
        log.flush();
      }
    },
    ask: async (request, options) => {
      const asked = await withKey(request);
      const extraMs = asked.op === "leave" ? asked.timeoutMs : 0;
      write(printResult(asked, await askNode(options.control, asked, ASK_TIMEOUT_MS + extraMs, systemClock), options));
      return 0;
    },
    keygen: async (bytes) => {
      write(`${Buffer.from(systemRandom().bytes(bytes)).toString("base64")}\n`);
      return 0;
    },
  };
}

/** "-" in place of a key: the first line of standard input. */
async function withKey(request: ControlRequest): Promise<ControlRequest> {
  if (!("key" in request) || request.key !== "-") return request;
  const key = (await text(process.stdin)).trim();
  if (key === "") throw new Fault("invalid", "standard input holds no key");
  return { ...request, key };
}

function printResult({ op }: ControlRequest, result: unknown, { format }: ControlOptions): string {
  if (op === "members") return printMembers(result as MemberView[], format);
  if (op === "keysList") return printKeys(result as KeyView[], format);
  if (op === "stats") return printStats(result as object, format);
  return format === "json" ? json(result) : "";
}
