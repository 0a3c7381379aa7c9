/**
 * Stands in for `jsr:@std/cli`: the part of it that this project calls. See README.md in this folder.
 *
 * @module
 */
export * from "./parse_args.ts";
