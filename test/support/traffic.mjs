/**
 * Traffic of containers in plain JavaScript, so that it starts fast.
 *
 *   serve                                     echo on UDP and TCP, IPv4 and IPv6
 *   udp ADDRESS COUNT BYTES GAP_MS SILENCE_MS TEXT
 *                                             numbered datagrams that begin with TEXT; waits for all of them, or until
 *                                             none has come for SILENCE_MS; prints { sent, came, twice }
 *   tcp ADDRESS BYTES TEXT                    TEXT over and over; prints { came } with how much of it came back
 */
import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";

const [role, address = "", ...rest] = process.argv.slice(2);
const PORT = 5_000;
const PATIENCE_MS = 60_000;

if (role === "serve") {
  const socket = createSocket({ type: "udp6", recvBufferSize: 4_194_304 });
  socket.on("message", (bytes, { address: from, port }) => socket.send(bytes, port, from, () => undefined));
  const server = createServer((stream) => {
    stream.on("error", () => stream.destroy());
    stream.pipe(stream);
  });
  socket.bind(PORT, "::", () => server.listen(PORT, "::", () => console.log("ready")));
} else if (role === "udp") {
  const [count, bytes, gapMs, silenceMs] = rest.map(Number);
  const text = rest[4] ?? "";
  const socket = createSocket({ type: address.includes(":") ? "udp6" : "udp4", recvBufferSize: 4_194_304 });
  const numbers = new Map();
  socket.on("error", () => undefined);
  let heardAt = performance.now();
  socket.on("message", (payload) => {
    heardAt = performance.now();
    const number = /#(\d+)#/.exec(payload.toString("latin1"))?.[1];
    if (payload.length === bytes) numbers.set(number, (numbers.get(number) ?? 0) + 1);
  });
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const start = performance.now();
  for (let sent = 0; sent < count; sent++) {
    socket.send(Buffer.from(`${text}#${sent}#`.padEnd(bytes, "."), "latin1"), PORT, address, () => undefined);
    const behind = start + (sent + 1) * gapMs - performance.now();
    if (behind > 0) await pause(behind);
  }
  heardAt = Math.max(heardAt, performance.now());
  while (numbers.size < count && performance.now() - heardAt < silenceMs) await pause(50);
  // Doubles would come now.
  await pause(100);
  const twice = [...numbers.values()].filter((times) => times > 1).length;
  console.log(JSON.stringify({ sent: count, came: numbers.size, twice }));
  socket.close();
} else {
  const total = Number(rest[0]);
  const text = Buffer.from((rest[1] ?? "x").repeat(64));
  let came = 0;
  const stream = connect({ host: address, port: PORT, timeout: PATIENCE_MS });
  const done = () => {
    console.log(JSON.stringify({ came }));
    process.exit(0);
  };
  setTimeout(done, PATIENCE_MS).unref();
  stream.on("error", done);
  stream.on("timeout", done);
  stream.on("data", (chunk) => {
    came += chunk.length;
    if (came >= total) done();
  });
  let left = total;
  const write = () => {
    while (left > 0) {
      const part = text.subarray(0, Math.min(text.length, left));
      left -= part.length;
      if (!stream.write(part)) return;
    }
  };
  stream.on("drain", write);
  stream.on("connect", write);
}
