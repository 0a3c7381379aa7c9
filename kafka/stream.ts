/**
 * A stream of records becomes a stream of outcomes: in order, with several calls under way, and none waiting for input
 * that does not come.
 *
 * @module
 */
import type { Outcome } from "./delivery.ts";
import type { ProducerRecord } from "./record_batch.ts";

/** Calls under way at a time. */
const WINDOW = 16;

/** Resolves when records have been taken in; their outcomes come later. */
export type TakeIn = (records: readonly ProducerRecord[]) => Promise<{ outcomes: Promise<Outcome[]> }>;

/** Takes chunks in one after the other, and yields their outcomes in order, each as soon as it is known. */
export async function* settleInOrder(
  chunks: AsyncIterable<readonly ProducerRecord[]>,
  takeIn: TakeIn,
): AsyncGenerator<Outcome[], void, undefined> {
  const iterator = chunks[Symbol.asyncIterator]();
  const pending: Promise<Outcome[]>[] = [];
  let next: Promise<IteratorResult<readonly ProducerRecord[]>> | undefined = read(iterator);
  try {
    while (next || pending.length > 0) {
      const event = await Promise.race([
        ...(next && pending.length < WINDOW ? [next.then((input) => ({ input }))] : []),
        ...pending.slice(0, 1).map((first) => first.then((outcomes) => ({ outcomes }))),
      ]);
      if ("outcomes" in event) {
        pending.shift();
        yield event.outcomes;
      } else if (event.input.done) next = undefined;
      else {
        pending.push((await takeIn(event.input.value)).outcomes);
        next = read(iterator);
      }
    }
  } finally {
    await iterator.return?.();
  }
}

/** What comes next. Its failure is heard when its turn comes, which may be later. */
function read<T>(iterator: AsyncIterator<T>): Promise<IteratorResult<T>> {
  const next = iterator.next();
  next.catch(() => {});
  return next;
}
