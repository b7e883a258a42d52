import type { Position, Range, Token } from '../shared/protocol.js';

/** What a token is called in a panel: the piece that the model sees, without the markers of byte-level vocabularies. */
export function labelOf(token: Token): string {
  const text = (token.readable ?? token.text).replace(/^[Ġ▁]+/, '').replaceAll('Ċ', '⏎');
  return text === '' ? '␣' : text;
}

export const toLabel = (token: Token) => ({ text: labelOf(token), isDimmed: token.special });

const isBefore = (a: Position, b: Position): boolean =>
  a.line < b.line || (a.line === b.line && a.character < b.character);

const holds = (range: Range, position: Position): boolean =>
  !isBefore(position, range.start) && isBefore(position, range.end);

const endsAt = (range: Range, position: Position): boolean =>
  range.end.line === position.line && range.end.character === position.character;

/** The token at a cursor: the one that it stands in, else the one that it stands right behind. */
export function tokenAt(tokens: readonly Token[], position: Position & { readonly inPair?: boolean }): number | null {
  const here = tokens.filter(token => (token.inPair ?? false) === (position.inPair ?? false));
  const inside = here.find(token => token.range && holds(token.range, position));
  const behind = inside ?? here.find(token => token.range && endsAt(token.range, position));
  return behind?.index ?? null;
}
