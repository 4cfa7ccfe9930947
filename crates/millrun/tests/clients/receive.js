// Receives events with the server of @fluent-org/logger, which acknowledges every chunk that asks
// for it. Prints {"port": …}, then one JSON line an event; ends when standard input is closed.
//
// Usage: receive.js [PORT [KEY USER PASSWORD [CERTIFICATE_FILE KEY_FILE]]]
//
// With a key it asks for that and for the user's password; with a certificate it speaks TLS.

const fs = require("fs");
const { EventTime, FluentServer } = require("@fluent-org/logger");

// Returns when the line is in the pipe. `console.log` keeps in memory what a full pipe does not take, and one that is
// killed then would have acknowledged what nobody can read.
function print(value) {
  let rest = Buffer.from(JSON.stringify(value) + "\n");
  while (rest.length > 0) rest = rest.subarray(fs.writeSync(1, rest));
}

async function main() {
  const [port, sharedKey, user, password, certificate, key] = process.argv.slice(2);
  const server = new FluentServer({
    listenOptions: { host: "127.0.0.1", port: Number(port || 0) },
    security: sharedKey
      ? { serverHostname: "node.test", sharedKey, authorize: true, userDict: { [user]: password } }
      : undefined,
    tlsOptions: certificate ? { cert: fs.readFileSync(certificate), key: fs.readFileSync(key) } : undefined,
  });
  server.on("entry", (tag, time, record) => {
    const exact = time instanceof EventTime ? [time.epoch, time.nano] : time;
    print({ tag, time: exact, record });
  });
  // The library acknowledges a chunk before it hands its events out; one that is killed in between would have acknowledged
  // what it never printed.
  const handle = server.handleConnection.bind(server);
  server.handleConnection = (socket) => {
    const write = socket.write.bind(socket);
    socket.write = (...what) => setImmediate(() => write(...what));
    return handle(socket);
  };
  await server.listen();
  print({ port: server.port });
  process.stdin.on("end", () => process.exit(0)).resume();
}

main();
