/**
 * How much memory is held by what is still reachable: the heap and the buffers outside of it, after a collection.
 * Buffers of dead objects are freed beside the program; only the next collection waits for the last of them.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

export function retainedBytes(): number {
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
