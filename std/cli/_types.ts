/** How the options of `parseArgs` become the type of its result. */

/** Names of flags, as a union of literals; `undefined` where the option is absent. */
export type Name = string | undefined;
/** As {@linkcode Name}; `true` declares all flags boolean. */
export type Booleans = boolean | string | undefined;
/** Other names of flags: one or several each. */
export type Aliases<TFlags = string, TNames extends string = string> = Partial<
  Record<Extract<TFlags, string>, TNames | ReadonlyArray<TNames>>
>;

/** The flags in the result, or anything at all when no option declares flags. */
export type Values<
  TBooleans extends Booleans,
  TStrings extends Name,
  TCollected extends Name,
  TNegatable extends Name,
  TDefaults extends Record<string, unknown> | undefined,
  TAliases extends Aliases | undefined,
> = DeclaresNothing<TBooleans, TStrings, TCollected> extends true
  // deno-lint-ignore no-explicit-any
  ? Record<string, any>
  :
    & Record<string, unknown>
    & WithAliases<
      WithDefaults<Flags<TBooleans, TStrings, TCollected, TNegatable>, Nested<TDefaults>>,
      TAliases
    >;

/** Writes intersections out, at every level. */
export type Flatten<T> = T extends Record<string, unknown>
  ? T extends infer U ? { [K in keyof U]: Flatten<U[K]> } : never
  : T;

type DeclaresNothing<TBooleans, TStrings, TCollected> = undefined extends TStrings
  ? undefined extends TCollected ? undefined extends TBooleans ? true : false extends TBooleans ? true : false
  : false
  : false;

type Flags<TBooleans, TStrings, TCollected, TNegatable> = All<
  | StringFlag<TStrings, TCollected, TNegatable>
  | BooleanFlag<TBooleans, TCollected>
  | OtherFlag<Exclude<TCollected, TStrings | TBooleans>, TNegatable>
>;

// These three work on each name of a union by itself.
type StringFlag<K, TCollected, TNegatable> = K extends string
  ? K extends TCollected ? Path<K, OrAbsent<K, Array<string> | Off<K, TNegatable>>>
  : OptionalPath<K, string | Off<K, TNegatable>>
  : never;
type BooleanFlag<K, TCollected> = K extends string
  ? Path<K, OrAbsent<K, K extends TCollected ? Array<boolean> : boolean>>
  : never;
type OtherFlag<K, TNegatable> = K extends string ? Path<K, Array<unknown> | Off<K, TNegatable>>
  : never;

/** `false` if the flag can be negated. */
type Off<K, TNegatable> = TNegatable extends K ? false : never;

/** Where the names of flags are not literals, nobody knows which are there. */
type OrAbsent<K, V> = string extends K ? V | undefined : V;

/** The flag `a.b` is the property `b` of the property `a`. */
type Path<K extends string, V> = K extends `${infer Head}.${infer Tail}` ? { [P in Head]: Path<Tail, V> }
  : { [P in K]: V };
type OptionalPath<K extends string, V> = K extends `${infer Head}.${infer Tail}`
  ? { [P in Head]?: OptionalPath<Tail, V> }
  : { [P in K]?: V };

/** The intersection of a union's members. */
type All<U> = [U] extends [never] ? Record<never, never>
  : (U extends unknown ? (member: U) => void : never) extends (all: infer I) => void ? I
  : never;

/** Defaults whose dotted names are written out as nested objects. */
type Nested<T> = Record<string, unknown> extends T ? T
  : T extends Record<string, unknown> ? All<{ [K in keyof T]: Path<K & string, T[K]> }[keyof T]>
  : T;

/** A flag with a default is always there; a default that belongs to no flag has a type nobody knows. */
type WithDefaults<TFlags, TDefaults> = TDefaults extends undefined ? TFlags
  :
    & Omit<TFlags, keyof TDefaults>
    & {
      [K in keyof TDefaults]: K extends keyof TFlags ? OrDefault<NonNullable<TFlags[K]>, TDefaults[K]>
        : unknown;
    };
type OrDefault<TFlag, TDefault> = [TFlag, TDefault] extends [Record<string, unknown>, Record<string, unknown>]
  ? WithDefaults<TFlag, TDefault>
  : TFlag | TDefault;

type WithAliases<TFlags, TAliases> = {
  [K in keyof TFlags as K | OtherNames<K, TAliases>]: TFlags[K];
};
type OtherNames<K, TAliases> = K extends keyof TAliases ? string extends TAliases[K] ? never
  : TAliases[K] extends string ? TAliases[K]
  : TAliases[K] extends Array<string> ? TAliases[K][number]
  : never
  : never;
