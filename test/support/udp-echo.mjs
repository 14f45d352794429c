/**
 * A UDP echo in plain JavaScript, so that it starts fast: `answer` sends every datagram back; `ask ADDRESS COUNT` sends
 * some, and prints how many came back before half a second of silence.
 */
import { createSocket } from "node:dgram";

const [role, address = "", count = "0"] = process.argv.slice(2);
const PORT = 4_242;
const SILENCE_MS = 500;

if (role === "answer") {
  const socket = createSocket({ type: "udp6", recvBufferSize: 4_194_304 });
  socket.on("message", (bytes, { address: from, port }) => socket.send(bytes, port, from));
  socket.bind(PORT, "::", () => console.log("ready"));
} else {
  const socket = createSocket({ type: address.includes(":") ? "udp6" : "udp4", recvBufferSize: 4_194_304 });
  let came = 0;
  const done = () => {
    console.log(came);
    socket.close();
  };
  let timer = setTimeout(done, SILENCE_MS);
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(done, SILENCE_MS);
  };
  socket.on("message", () => {
    came += 1;
    heard();
  });
  socket.on("error", () => undefined);
  for (let sent = 0; sent < Number(count); sent++) {
    await new Promise((resolve) => socket.send(String(sent), PORT, address, resolve));
    heard();
  }
}
