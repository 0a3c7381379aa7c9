/** Levels and their numbers: a record passes where its number is not below the threshold. */
export const LogLevels = {
  NOTSET: 0,
  DEBUG: 10,
  INFO: 20,
  WARN: 30,
  ERROR: 40,
  CRITICAL: 50,
} as const;

/** The name of a level. */
export type LevelName = Exclude<keyof typeof LogLevels, number>;
/** The number of a level. */
export type LogLevel = typeof LogLevels[LevelName];

/** All names, from the lowest level to the highest. */
export const LogLevelNames: LevelName[] = Object.keys(LogLevels) as LevelName[];

/** The number that belongs to a name. @throws {Error} If there is no such level. */
export function getLevelByName(name: LevelName): LogLevel {
  const level = LogLevels[name];
  if (level === undefined) throw new Error(`Cannot get log level: no level named ${name}`);
  return level;
}

/** The name that belongs to a number. @throws {Error} If there is no such level. */
export function getLevelName(level: LogLevel): LevelName {
  const name = LogLevelNames.find((name) => LogLevels[name] === level);
  if (name === undefined) throw new Error(`Cannot get log level: no name for level: ${level}`);
  return name;
}
