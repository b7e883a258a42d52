// Where words begin and end. Offsets are UTF-16 code units of one text; no VS Code in here, so that it is tested alone.

export interface Span {
  readonly start: number;
  readonly end: number;
}

// ICU's dictionaries cut Chinese, Japanese and Thai, which no expression over letters can.
const segmenter = new Intl.Segmenter(undefined, { granularity: 'word' });

/** The words of a text: what a reader would call one, without spaces and punctuation. */
export function words(text: string): Span[] {
  const found: Span[] = [];
  for (const { segment, index, isWordLike } of segmenter.segment(text)) {
    if (isWordLike) found.push({ start: index, end: index + segment.length });
  }
  return found;
}

/** A span widened to the whole units that it touches; an empty one takes the unit around it, or the one that ends there. */
export function widen(units: readonly Span[], { start, end }: Span): Span | undefined {
  const touched =
    start === end
      ? (units.find(unit => unit.start <= start && start < unit.end) ?? units.find(unit => unit.end === start))
      : undefined;
  if (touched) return touched;
  const inside = units.filter(unit => unit.start < end && unit.end > start);
  const [first] = inside;
  const last = inside.at(-1);
  return first && last ? { start: first.start, end: last.end } : undefined;
}

/** A span without the white space at its ends. */
export function trim(text: string, { start, end }: Span): Span {
  const inside = text.slice(start, end);
  const left = inside.length - inside.trimStart().length;
  return left === inside.length ? { start, end: start } : { start: start + left, end: start + inside.trimEnd().length };
}

export type Edge = 'start' | 'end';

/** One edge moved by a unit; the span keeps at least one unit. Undefined where there is nothing to move over. */
export function move(units: readonly Span[], span: Span, edge: Edge, outward: boolean): Span | undefined {
  if (edge === 'end') {
    if (outward) {
      const next = units.find(unit => unit.start >= span.end || unit.end > span.end);
      return next && { start: span.start, end: next.end };
    }
    const last = units.filter(unit => unit.end < span.end && unit.end > span.start).at(-1);
    return last && { start: span.start, end: last.end };
  }
  if (outward) {
    const previous = units.filter(unit => unit.end <= span.start || unit.start < span.start).at(-1);
    return previous && { start: previous.start, end: span.end };
  }
  const first = units.find(unit => unit.start > span.start && unit.start < span.end);
  return first && { start: first.start, end: span.end };
}
