// A broadcaster on Node's ws: what comes in at /pub goes to all of /sub.
"use strict";
const { WebSocketServer, WebSocket } = require("ws");

const subscribers = new Set();
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  perMessageDeflate: false,
  backlog: 4096,
});

server.on("connection", (socket, request) => {
  socket.on("error", () => {});
  if (request.url === "/sub") {
    subscribers.add(socket);
    socket.on("close", () => subscribers.delete(socket));
    socket.send("ready");
  } else {
    socket.on("message", (data, binary) => {
      for (const subscriber of subscribers) {
        if (subscriber.readyState === WebSocket.OPEN) subscriber.send(data, { binary });
      }
    });
  }
});
server.on("listening", () => {
  console.log(`ready: ws://127.0.0.1:${server.address().port}`);
});
