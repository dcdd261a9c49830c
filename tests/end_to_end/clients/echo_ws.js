// An echo client on Node's ws, as its documentation shows one; it connects again.
const { WebSocket } = require("ws");

function connect() {
  const socket = new WebSocket(process.argv[2], { maxPayload: 2 ** 24 });
  let isOver = false;
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  socket.on("unexpected-response", (request, response) => {
    isOver = response.statusCode === 410;
    request.destroy();
    if (!isOver) connect();
  });
  socket.on("error", () => {});
  socket.on("close", () => isOver || connect());
}

connect();
