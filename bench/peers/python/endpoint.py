"""The Python peers of the benchmarks: POST /topics/{topic} on uvicorn, with confluent-kafka.

    endpoint.py PORT BROKERS shared       one producer for all requests
    endpoint.py PORT BROKERS per-request  a producer for each request, which is flushed: what tutorials show
"""

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import uvicorn
from confluent_kafka import KafkaException, Producer


class Record(msgspec.Struct):
    value: msgspec.Raw


class Envelope(msgspec.Struct):
    records: list[Record]


class Position(msgspec.Struct):
    partition: int
    offset: int


class Answer(msgspec.Struct):
    offsets: list[Position]


decode = msgspec.json.Decoder(Envelope).decode
encode = msgspec.json.Encoder().encode


class Pending:
    """The records of one request that Kafka has not acknowledged yet."""

    def __init__(self, count):
        self.offsets = [None] * count
        self.error = None
        self.missing = count

    def messages(self, records, on_done):
        return [
            {"value": bytes(record.value), "callback": self.callback(index, on_done)}
            for index, record in enumerate(records)
        ]

    def callback(self, index, on_done):
        def delivered(error, message):
            if error is None:
                self.offsets[index] = Position(message.partition(), message.offset())
            else:
                self.error = error
            self.missing -= 1
            if self.missing == 0:
                on_done()

        return delivered

    def result(self):
        if self.error is not None:
            raise KafkaException(self.error)
        return self.offsets


def produce(producer, topic, records, on_done):
    """Hands over all records, and returns before Kafka has them."""
    pending = Pending(len(records))
    messages = pending.messages(records, on_done)
    if producer.produce_batch(topic, messages) < len(messages):
        raise KafkaException(next(m["_error"] for m in messages if "_error" in m))
    return pending


class SharedProducer:
    """One producer for all. A thread waits for deliveries, and wakes the event loop once for all that came together."""

    def __init__(self, config, loop):
        self.producer = Producer(config)
        self.loop = loop
        self.done = []
        threading.Thread(target=self.poll, daemon=True).start()

    def poll(self):
        while True:
            self.producer.poll(1)
            if self.done:
                done, self.done = self.done, []
                self.loop.call_soon_threadsafe(resolve, done)

    async def send(self, topic, records):
        future = self.loop.create_future()
        pending = produce(self.producer, topic, records, lambda: self.done.append(future))
        await future
        return pending.result()


def resolve(futures):
    for future in futures:
        if not future.done():
            future.set_result(None)


class ProducerPerRequest:
    """Connects, sends, flushes, and forgets, in threads so that requests need not queue for each other."""

    def __init__(self, config, loop):
        self.config = config
        self.loop = loop
        self.threads = ThreadPoolExecutor(max_workers=64)

    async def send(self, topic, records):
        return await self.loop.run_in_executor(self.threads, self.send_now, topic, records)

    def send_now(self, topic, records):
        producer = Producer(self.config)
        pending = produce(producer, topic, records, lambda: None)
        producer.flush()
        return pending.result()


SENDERS = {"shared": SharedProducer, "per-request": ProducerPerRequest}


def make_app(brokers, kind):
    # Of the milliseconds to wait for more records 1 was faster than 0, and than 5, which is the default.
    config = {"bootstrap.servers": brokers, "enable.idempotence": True, "acks": "all", "linger.ms": 1}
    sender = None

    async def app(scope, receive, send):
        nonlocal sender
        if sender is None:
            sender = SENDERS[kind](config, asyncio.get_running_loop())
        status, body = 200, b""
        if scope["method"] == "POST" and scope["path"].startswith("/topics/"):
            try:
                records = decode(await read_body(receive)).records
                offsets = await sender.send(scope["path"].removeprefix("/topics/"), records)
                body = encode(Answer(offsets))
            except msgspec.DecodeError as error:
                status, body = 400, str(error).encode()
            except (KafkaException, BufferError) as error:
                status, body = 503, str(error).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def read_body(receive):
    message = await receive()
    body = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    return body


if __name__ == "__main__":
    port, brokers, kind = sys.argv[1:]
    app = make_app(brokers, kind)
    uvicorn.run(
        app,
        port=int(port),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
