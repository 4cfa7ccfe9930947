// Sends numbered events with @fluent-org/logger and ends when all are sent and, if asked for,
// acknowledged.
//
// Usage: send.js PORT TAG COUNT MODE seconds|eventtime ack|noack [CA_FILE|- KEY [USER PASSWORD]]
//
// With the certificate of an authority it goes over TLS; with a key it proves that it knows that, and who it is.

const fs = require("fs");
const { EventTime, FluentClient } = require("@fluent-org/logger");

const FIRST_SECOND = 1700000000;
const ACK_TIMEOUT_MS = 15000;

async function main() {
  const [port, tag, count, eventMode, precision, ack, authority, sharedKey, username, password] =
    process.argv.slice(2);
  const caFile = authority === "-" ? undefined : authority;
  const client = new FluentClient(tag, {
    eventMode,
    socket: {
      host: "127.0.0.1",
      port: Number(port),
      tls: caFile ? { ca: fs.readFileSync(caFile), servername: "srv.test" } : undefined,
    },
    security: sharedKey ? { clientHostname: "client.test", sharedKey, username, password } : undefined,
    ack: ack === "ack" ? { ackTimeout: ACK_TIMEOUT_MS } : undefined,
    // Several events a message, in the modes that can hold several.
    flushInterval: 20,
    disableAutoconnect: true,
  });
  // A client that is refused waits for nothing any more, and Node ends it as if it were done.
  process.exitCode = 1;
  client.socketOn("error", (error) => console.error(String(error)));
  await client.connect();
  const sent = [];
  for (let n = 0; n < Number(count); n++) {
    const second = FIRST_SECOND + n;
    const time = precision === "eventtime" ? new EventTime(second, 123456789) : second * 1000;
    const record = { n, text: "Mühle", nested: { list: [1, null, true, 2.5, -7] } };
    sent.push(client.emit(record, time));
  }
  await Promise.all(sent);
  await client.disconnect();
  process.exitCode = 0;
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
