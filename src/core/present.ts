type Present<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

/** The keys that have a value: `exactOptionalPropertyTypes` tells an absent key from an undefined one. */
export function present<T extends object>(values: T): Present<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Present<T>;
}
