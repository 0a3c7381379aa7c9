/**
 * Stands in for `jsr:@std/log`: the part of it that this project needs. See README.md in this folder.
 *
 * @module
 */
// The order is the package's: of a name that two modules export, TypeScript sees the first. So LogRecord is only a
// type here, as in the package, and its class comes from "@std/log/logger".
export * from "./base_handler.ts";
export * from "./console_handler.ts";
export * from "./levels.ts";
export * from "./logger.ts";
export * from "./formatters.ts";
export { critical, debug, error, info, warn } from "./_default_logger.ts";
export * from "./get_logger.ts";
export * from "./setup.ts";
