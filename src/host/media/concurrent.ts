/** Maps with at most `limit` calls under way; the results are in the order of the values. The first failure is thrown. */
export async function mapConcurrently<T, R>(
  values: readonly T[],
  { limit }: { readonly limit: number },
  work: (value: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(values.length);
  const queue = values.entries();
  const workers = Array.from({ length: Math.min(limit, values.length) }, async () => {
    for (const [index, value] of queue) results[index] = await work(value, index);
  });
  await Promise.all(workers);
  return results;
}
