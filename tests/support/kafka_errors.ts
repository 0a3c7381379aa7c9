/**
 * What the fault proxy changes inside Kafka's messages: error codes, throttle
 * times, and Produce requests from which one partition is taken out.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import {
  Cursor,
  frameOf,
  int16,
  int32,
  needVersion,
  type Part,
  readParts,
  type Request,
  responseFrame,
  string,
  writeParts,
} from "./kafka_frames.ts";

/** An error code, and the partitions that it is for. */
export interface Errors {
  error: number;
  isHit: (part: Part) => boolean;
}

/** A partition's part of a Produce request: what is written there. */
interface ProducePart extends Part {
  records: Buffer;
}

/** A partition's part of a Produce response; what follows the error is left as bytes. */
interface ProduceAnswer extends Part {
  error: number;
  rest: Buffer;
}

/** The partitions that a Produce or Fetch request names. */
export function partsOf(request: Request): Part[] {
  if (request.api === "Produce") return readProduce(request).parts;
  if (request.api === "Fetch") return readFetch(request);
  throw new Error(
    `cannot tell the partitions of a ${request.api} request: a rule with a topic or partition is for Produce and Fetch`,
  );
}

function readFetch(request: Request): Part[] {
  needVersion(request, 7, 11);
  const cursor = new Cursor(request.frame, request.body + 25);
  const size = request.version >= 9 ? 24 : 20;
  return readParts(cursor, (part) => {
    cursor.skip(size);
    return part;
  });
}

function readProduce(request: Request) {
  needVersion(request, 3, 8);
  const cursor = new Cursor(request.frame, request.body).skipString().skip(6);
  const head = request.frame.subarray(4, cursor.at);
  const parts = readParts(
    cursor,
    (part): ProducePart => ({ ...part, records: cursor.bytes() }),
  );
  return { head, parts };
}

/** The Produce request without some partitions; nothing if none is left. */
export function withoutParts(
  request: Request,
  isOut: (part: Part) => boolean,
): Buffer | undefined {
  const { head, parts } = readProduce(request);
  const kept = parts.filter((part) => !isOut(part));
  if (kept.length === 0) return;
  return frameOf(
    head,
    writeParts(kept, ({ records }) => [int32(records.length), records]),
  );
}

/**
 * The Produce response with `error` for the partitions that `isHit` names:
 * instead of what the broker said, and added where it was not asked.
 */
function withProduceErrors(
  request: Request,
  response: Buffer | undefined,
  { error, isHit }: Errors,
): Buffer {
  needVersion(request, 3, 8);
  const refused = readProduce(request).parts.filter(isHit)
    .map((part) => ({ ...part, error, rest: withoutOffsets(request.version) }));
  const answered = response ? readProduceAnswers(response, request.version) : [];
  const parts = [...answered.filter((part) => !isHit(part)), ...refused];
  return responseFrame(
    request,
    Buffer.concat([
      writeParts(parts, ({ error, rest }) => [int16(error), rest]),
      response?.subarray(-4) ?? int32(0),
    ]),
  );
}

/** Base offset, log append time and, from version 5 on, log start offset. */
function offsetsSize(version: number): number {
  return version >= 5 ? 24 : 16;
}

/**
 * What a broker says along with an error: -1 for each offset and, from
 * version 8 on, neither records to blame nor a message.
 */
function withoutOffsets(version: number): Buffer {
  const offsets = Buffer.alloc(offsetsSize(version), 0xff);
  return version >= 8 ? Buffer.concat([offsets, int32(0), int16(-1)]) : offsets;
}

function readProduceAnswers(response: Buffer, version: number): ProduceAnswer[] {
  const cursor = new Cursor(response, 8);
  return readParts(cursor, (part) => {
    const error = cursor.int16();
    const start = cursor.at;
    cursor.skip(offsetsSize(version));
    if (version >= 8) {
      for (let records = cursor.int32(); records > 0; records--) cursor.skip(4).skipString();
      cursor.skipString();
    }
    return { ...part, error, rest: response.subarray(start, cursor.at) };
  });
}

/**
 * Response types with one error code, four bytes into the body, after the
 * throttle time: the versions that look so, and what follows an error.
 */
const SINGLE_ERROR: Record<string, {
  versions: [number, number];
  rest: (version: number) => Uint8Array[];
}> = {
  Fetch: { versions: [7, 11], rest: () => [int32(0), int32(0)] },
  FindCoordinator: {
    versions: [1, 2],
    rest: () => [int16(-1), int32(-1), string(""), int32(-1)],
  },
  JoinGroup: {
    versions: [2, 5],
    rest: () => [int32(-1), string(""), string(""), string(""), int32(0)],
  },
  Heartbeat: { versions: [1, 3], rest: () => [] },
  LeaveGroup: {
    versions: [1, 3],
    rest: (version) => version >= 3 ? [int32(0)] : [],
  },
  SyncGroup: { versions: [1, 3], rest: () => [int32(0)] },
  InitProducerId: {
    versions: [0, 1],
    rest: () => [Buffer.alloc(10, 0xff)],
  },
};

/** The request types that can be answered with an error and not forwarded. */
export const REFUSABLE = ["Produce", ...Object.keys(SINGLE_ERROR)];

/** The body of an answer that says `error`, for one of {@linkcode REFUSABLE}. */
export function refusal(request: Request, error: number): Buffer {
  if (request.api === "Produce") {
    const hit = { error, isHit: () => true };
    return withProduceErrors(request, undefined, hit).subarray(8);
  }
  const { versions, rest } = SINGLE_ERROR[request.api];
  needVersion(request, ...versions);
  return Buffer.concat([int32(0), int16(error), ...rest(request.version)]);
}

/**
 * The broker's response with its error codes replaced: in the partitions that
 * `isHit` names for Produce, Fetch, OffsetCommit and ListOffsets, the one
 * code there is for the others of {@linkcode REFUSABLE} and for OffsetFetch.
 */
export function withErrors(
  request: Request,
  response: Buffer,
  hit: Errors,
): Buffer {
  switch (request.api) {
    case "Produce":
      return withProduceErrors(request, response, hit);
    case "Fetch":
      return withFetchErrors(request, response, hit);
    case "OffsetCommit":
      needVersion(request, 3, 7);
      return withPartErrors(response, 2, hit);
    case "ListOffsets":
      needVersion(request, 2, 5);
      return withPartErrors(response, request.version >= 4 ? 22 : 18, hit);
    case "OffsetFetch":
      needVersion(request, 2, 5);
      return overwritten(response, response.length - 2, int16(hit.error));
  }
  if (!(request.api in SINGLE_ERROR)) {
    throw new Error(
      `cannot put an error into a ${request.api} response: use { do: "answer" }`,
    );
  }
  needVersion(request, ...SINGLE_ERROR[request.api].versions);
  return overwritten(response, 12, int16(hit.error));
}

function overwritten(frame: Buffer, at: number, bytes: Uint8Array): Buffer {
  const copy = Buffer.from(frame);
  copy.set(bytes, at);
  return copy;
}

/** For bodies of a throttle time and parts of fixed size, the error first. */
function withPartErrors(
  response: Buffer,
  size: number,
  { error, isHit }: Errors,
): Buffer {
  const copy = Buffer.from(response);
  const cursor = new Cursor(copy, 12);
  readParts(cursor, (part) => {
    if (isHit(part)) copy.writeInt16BE(error, cursor.at);
    cursor.skip(size);
  });
  return copy;
}

function withFetchErrors(
  request: Request,
  response: Buffer,
  { error, isHit }: Errors,
): Buffer {
  needVersion(request, 7, 11);
  const cursor = new Cursor(response, 18);
  const parts = readParts(cursor, (part) => {
    const start = cursor.at;
    // Error, high watermark, last stable and log start offset (26), aborted
    // transactions of 16 bytes each, and the preferred replica (version 11).
    const aborted = Math.max(cursor.skip(26).int32(), 0);
    cursor.skip(16 * aborted + (request.version >= 11 ? 4 : 0));
    cursor.bytes();
    const bytes = response.subarray(start, cursor.at);
    return { ...part, bytes: isHit(part) ? fetchError(request, error) : bytes };
  });
  return frameOf(
    response.subarray(4, 18),
    writeParts(parts, ({ bytes }) => [bytes]),
  );
}

/** Error, three unknown offsets, no aborted, no replica, no records. */
function fetchError({ version }: Request, error: number): Buffer {
  return Buffer.concat([
    int16(error),
    Buffer.alloc(24, 0xff),
    int32(0),
    ...(version >= 11 ? [int32(-1)] : []),
    int32(0),
  ]);
}

/** From which version on a response starts with its throttle time. */
const THROTTLE_FIRST: Record<string, [number, number]> = {
  Fetch: [1, 11],
  ListOffsets: [2, 5],
  Metadata: [3, 8],
  OffsetCommit: [3, 7],
  OffsetFetch: [3, 5],
  FindCoordinator: [1, 2],
  JoinGroup: [2, 5],
  Heartbeat: [1, 3],
  LeaveGroup: [1, 3],
  SyncGroup: [1, 3],
  InitProducerId: [0, 1],
};

/** The response with the throttle time (KIP-219) set to `ms`. */
export function withThrottle(
  request: Request,
  response: Buffer,
  ms: number,
): Buffer {
  if (request.api === "Produce") {
    needVersion(request, 1, 8);
    return overwritten(response, response.length - 4, int32(ms));
  }
  const versions = THROTTLE_FIRST[request.api];
  if (!versions) {
    throw new Error(
      `cannot put a throttle time into a ${request.api} response`,
    );
  }
  needVersion(request, ...versions);
  return overwritten(response, 8, int32(ms));
}
