/** The part of the protocol that searches corpus runs, as docs/protocol.md describes it. */

export interface SearchIndex {
  /** Of the run. */
  readonly model: string;
  readonly layers: number;
  readonly heads: number;
  readonly keep: readonly string[];
  /** Smaller weights are not in the index. */
  readonly least: number;
  readonly documents: number;
  readonly texts: number;
}

export type Question =
  | {
      readonly find: 'attention';
      readonly layer: number;
      readonly head: number;
      readonly from: string;
      readonly to: string;
      readonly least: number;
    }
  | { readonly find: 'changed'; readonly other: string }
  | { readonly find: 'nearest'; readonly word: string; readonly document?: string; readonly offset?: number };

/** A place in a document as the run read it; offsets are UTF-16 code units. */
export interface Hit {
  readonly document: string;
  readonly start: number;
  readonly end: number;
  /** What stood there, in Unicode's form C. */
  readonly quote: string;
  readonly score: number;
  readonly word: string;
  readonly other?: string;
  readonly otherStart?: number;
  readonly otherEnd?: number;
  readonly context: string;
  readonly contextStart: number;
  readonly otherContextStart?: number;
}

export interface SearchResult {
  readonly hits: readonly Hit[];
  readonly more: boolean;
  readonly sought?: Hit;
}

export interface SearchRequests {
  'attentionLens/searchIndex': { params: { readonly path: string }; result: SearchIndex };
  'attentionLens/search': {
    params: Question & { readonly index: string; readonly skip: number; readonly most: number };
    result: SearchResult;
  };
}
