/**
 * The tutorial's records: random Chinese names.
 *
 * @module
 */
// This locale alone: the package's main entry loads seventy, which takes 50 ms more at start and 30 MB for good.
import { faker } from "@faker-js/faker/locale/zh_CN";

/** A random Chinese name, family name first. */
export function randomName(): string {
  return faker.person.fullName();
}
