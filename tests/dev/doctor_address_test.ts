/** What the doctor says of listeners that a real Kafka of today does not have. */
import assert from "node:assert/strict";
import { examineAddress } from "../../dev/doctor_address.ts";
import { RequestWriter } from "../../kafka/wire.ts";

const PLAIN = { ssl: false, sslCa: undefined, sslCert: undefined, sslKey: undefined };

/** Something that listens, answers the first bytes of each connection with these, and ends it. */
function answering(bytes: Uint8Array) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = (async () => {
    for await (const connection of listener) {
      await connection.read(new Uint8Array(1_000));
      await connection.write(bytes);
      connection.close();
    }
  })();
  return {
    address: `127.0.0.1:${listener.addr.port}`,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
    },
  };
}

/** ApiVersions' answer, version 0, for a broker that has requests 0 to 60 in these versions. */
function versions(min: number, max: number): Uint8Array {
  const body = new RequestWriter().int32(1).int16(0);
  const keys = Array.from({ length: 61 }, (_, key) => key);
  const answer = body.array(keys, (key) => body.int16(key).int16(min).int16(max)).done();
  return new RequestWriter().bytes(answer).done();
}

Deno.test("a broker that has all requests in the versions that we send is a Kafka for us", async () => {
  await using broker = answering(versions(0, 13));
  const last = (await examineAddress(broker.address, PLAIN)).at(-1)!;
  assert.equal(last.status, "ok", last.detail);
});

Deno.test("a broker that is too old, or too new, is told with the requests that it lacks", async () => {
  for (const [min, max] of [[0, 4], [12, 20]]) {
    await using broker = answering(versions(min, max));
    const last = (await examineAddress(broker.address, PLAIN)).at(-1)!;
    assert.equal(last.check, "api");
    assert.equal(last.status, "wrong");
    assert.match(last.detail, /is a Kafka without Produce v8, Fetch v11/);
    assert.match(last.remedy!, /Kafka 2\.4/);
  }
});

Deno.test("a listener that answers in TLS, and one that hangs up, are told apart from other programs", async () => {
  for (const bytes of [[0x15, 3, 3, 0, 2, 2, 40], []]) {
    await using listener = answering(Uint8Array.from(bytes));
    const last = (await examineAddress(listener.address, PLAIN)).at(-1)!;
    assert.equal(last.status, "wrong");
    assert.match(last.remedy!, /KAFKA_SSL=true/);
  }
  await using mail = answering(new TextEncoder().encode("220 mail.example ESMTP\r\n"));
  assert.match((await examineAddress(mail.address, PLAIN)).at(-1)!.detail, /does not speak Kafka's protocol/);
});
