/**
 * What a lab is to the control channel.
 *
 * @module
 */
import { HttpError } from "../../http/errors.ts";

/** What the page sends with an action. */
export type Input = Record<string, unknown>;

/** A lab that was begun. Disposing of it undoes all that it did. */
export interface Lab extends AsyncDisposable {
  /** What the page shows: plain data, the topic for its lanes among them. */
  readonly facts: { topic: string } & Record<string, unknown>;
  /** What its buttons do. Each resolves when it is done. */
  readonly actions: Record<string, (input: Input) => Promise<void>>;
}

/** What the channel offers. */
export interface Offer {
  /** Why it cannot take place here, as a word for the page. */
  obstacle?: "three-brokers" | "own-kafka";
  begin(): Promise<Lab>;
}

/** A short text from the page. @throws {HttpError} 422 */
export function textIn(input: Input, name: string): string {
  const value = input[name];
  if (typeof value === "string" && value.length > 0 && value.length <= 100) return value;
  throw new HttpError(422, `${name} is ${JSON.stringify(value)}; expected a text of 1 to 100 characters`);
}

/** A whole number from the page, within bounds. @throws {HttpError} 422 */
export function numberIn(input: Input, name: string, [min, max]: [min: number, max: number]): number {
  const value = input[name];
  if (Number.isInteger(value) && Number(value) >= min && Number(value) <= max) return Number(value);
  throw new HttpError(422, `${name} is ${JSON.stringify(value)}; expected a whole number from ${min} to ${max}`);
}
