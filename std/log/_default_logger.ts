import { getLogger } from "./get_logger.ts";
import type { GenericFunction } from "./logger.ts";
import "./setup.ts";

/** Logs with the default logger, level DEBUG. */
export function debug<T>(msg: () => T, ...args: unknown[]): T | undefined;
export function debug<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
export function debug<T>(msg: () => T, ...args: unknown[]): T | undefined {
  return getLogger("default").debug(msg, ...args);
}

/** Logs with the default logger, level INFO. */
export function info<T>(msg: () => T, ...args: unknown[]): T | undefined;
export function info<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
export function info<T>(msg: () => T, ...args: unknown[]): T | undefined {
  return getLogger("default").info(msg, ...args);
}

/** Logs with the default logger, level WARN. */
export function warn<T>(msg: () => T, ...args: unknown[]): T | undefined;
export function warn<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
export function warn<T>(msg: () => T, ...args: unknown[]): T | undefined {
  return getLogger("default").warn(msg, ...args);
}

/** Logs with the default logger, level ERROR. */
export function error<T>(msg: () => T, ...args: unknown[]): T | undefined;
export function error<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
export function error<T>(msg: () => T, ...args: unknown[]): T | undefined {
  return getLogger("default").error(msg, ...args);
}

/** Logs with the default logger, level CRITICAL. */
export function critical<T>(msg: () => T, ...args: unknown[]): T | undefined;
export function critical<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
export function critical<T>(msg: () => T, ...args: unknown[]): T | undefined {
  return getLogger("default").critical(msg, ...args);
}
