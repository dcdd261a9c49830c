// Echo clients of k6: one virtual user with all connections, each of which sends again
// when its answer is there. (A virtual user for each connection is slower by a fifth.)
// `STINT` has the words that other generators get as arguments.

import { WebSocket } from 'k6/websockets';

const [port, connections, size, warm, seconds] = __ENV.STINT.split(' ').map(Number);
const message = 'x'.repeat(size);

export const options = { vus: 1, iterations: 1 };

export default function () {
  const sockets = [];
  let answers = 0;
  let open = 0;

  function measure() {
    const before = answers;
    const begun = Date.now();
    setTimeout(() => {
      const took = (Date.now() - begun) / 1000;
      console.log(`WAVETANK per_s=${(answers - before) / took}`);
      sockets.forEach((socket) => socket.close());
    }, seconds * 1000);
  }

  for (let i = 0; i < connections; i++) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    socket.onopen = () => {
      open += 1;
      socket.send(message);
      if (open === connections) setTimeout(measure, warm * 1000);
    };
    socket.onmessage = () => {
      answers += 1;
      socket.send(message);
    };
    sockets.push(socket);
  }
}
