/** What tests need of the laboratory beside itself: the reason to skip, and throw-away keys. */
import { randomBytes } from "node:crypto";
import { dockerObstacle } from "../../src/lab/dockerd.ts";
import { labObstacle } from "../../src/lab/lab.ts";
import { hasSerf } from "../../src/lab/serf.ts";

/** For `test(name, { skip })`: false, or why this machine cannot run tests in a laboratory. */
export const noLab: string | false = (await labObstacle()) ?? false;

/** The same for tests that also need real serf agents. */
export const noSerf: string | false = noLab || ((await hasSerf()) ? false : "there is no serf command");

/** A fresh key in base64: 16, 24 or 32 bytes. */
export function freshKey(bytes: number): string {
  return randomBytes(bytes).toString("base64");
}

/** The same for tests that need real Docker Engines. */
export const noDocker: string | false = noLab || ((await dockerObstacle()) ?? false);
