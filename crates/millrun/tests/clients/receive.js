// Receives events with the server of @fluent-org/logger, which acknowledges every chunk that asks
// for it. Prints {"port": …}, then one JSON line an event; ends when standard input is closed.
//
// Usage: receive.js

const { EventTime, FluentServer } = require("@fluent-org/logger");

async function main() {
  const server = new FluentServer({ listenOptions: { host: "127.0.0.1", port: 0 } });
  server.on("entry", (tag, time, record) => {
    const exact = time instanceof EventTime ? [time.epoch, time.nano] : time;
    console.log(JSON.stringify({ tag, time: exact, record }));
  });
  await server.listen();
  console.log(JSON.stringify({ port: server.port }));
  process.stdin.on("end", () => process.exit(0)).resume();
}

main();
