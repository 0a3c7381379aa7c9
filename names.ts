/**
 * The tutorial's records: random Chinese names.
 *
 * @module
 */
import { Faker, zh_CN } from "@faker-js/faker";

const faker = new Faker({ locale: zh_CN });

/** A random Chinese name, family name first. */
export function randomName(): string {
  return faker.person.fullName();
}
