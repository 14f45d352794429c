// Sends numbered datagrams ("send ADDRESS SECONDS PER_SECOND") or counts them ("count"), and says so in JSON at the end
// (for "count": when a line comes in).
import { createSocket } from "node:dgram";

const PORT = 5005;
const [mode, address, seconds, perSecond] = process.argv.slice(2);
const socket = createSocket("udp4");

if (mode === "count") {
  const seen = new Set();
  let doubles = 0;
  socket.on("message", (bytes) => {
    const number = bytes.readUInt32BE(0);
    if (seen.has(number)) doubles += 1;
    seen.add(number);
  });
  socket.bind(PORT, () => console.log("ready"));

  process.stdin.once("data", () => {
    process.stdin.destroy();
    socket.close();
    console.log(JSON.stringify({ seen: seen.size, doubles }));
  });
} else {
  const bytes = Buffer.alloc(600, "a canary that sings ");
  let sent = 0;
  const started = performance.now();
  const timer = setInterval(() => {
    const elapsed = (performance.now() - started) / 1000;
    const due = Math.min(elapsed, Number(seconds)) * Number(perSecond);
    for (; sent < due; sent++) {
      bytes.writeUInt32BE(sent, 0);
      socket.send(Buffer.from(bytes), PORT, address);
    }
    if (elapsed < Number(seconds)) return;
    clearInterval(timer);
    setTimeout(() => {
      socket.close();
      console.log(JSON.stringify({ sent }));
    }, 200);
  }, 5);
}
