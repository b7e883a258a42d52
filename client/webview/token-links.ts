// Which tokens of two texts belong together, read from cross-attention. Plain numbers, so that it can be tested alone.

export interface Link {
  readonly query: number;
  readonly key: number;
  readonly weight: number;
}

/** Strongest: each query's strongest key. Mutual: of those, the ones whose query is also the key's strongest. */
export type LinkRule = 'strongest' | 'mutual';

export interface Weights {
  readonly queries: number;
  readonly keys: number;
  /** [queries, keys]. */
  readonly values: ArrayLike<number>;
}

/**
 * The usual reading of cross-attention as a word alignment.
 *
 * @param isQuery, isKey which tokens take part: end and start tokens collect attention that means nothing else.
 */
export function linksOf(
  { queries, keys, values }: Weights,
  rule: LinkRule,
  isQuery: (query: number) => boolean,
  isKey: (key: number) => boolean,
): Link[] {
  const at = (query: number, key: number) => values[query * keys + key] ?? 0;
  const bestQuery = new Map<number, number>();
  const links: Link[] = [];
  for (let query = 0; query < queries; query++) {
    if (!isQuery(query)) continue;
    let best = -1;
    for (let key = 0; key < keys; key++) {
      if (!isKey(key)) continue;
      if (best < 0 || at(query, key) > at(query, best)) best = key;
      const other = bestQuery.get(key);
      if (other === undefined || at(query, key) > at(other, key)) bestQuery.set(key, query);
    }
    if (best >= 0) links.push({ query, key: best, weight: at(query, best) });
  }
  return rule === 'strongest' ? links : links.filter(({ query, key }) => bestQuery.get(key) === query);
}

/**
 * The row of the step that wrote a token instead of the one that read it: the decoder writes each token one step before
 * it reads it. The first token is written by nobody.
 */
export function writtenRows({ queries, keys, values }: Weights): Weights {
  const shifted = new Float32Array(queries * keys);
  for (let index = keys; index < shifted.length; index++) shifted[index] = values[index - keys] ?? 0;
  return { queries, keys, values: shifted };
}
