import type { StackInfo, Token, TokensResult, View } from '../shared/protocol.js';

export interface Axes {
  readonly stack: StackInfo;
  readonly queries: readonly Token[];
  readonly keys: readonly Token[];
}

/** Which tokens look and which are looked at. Without a wish the stack is the one that the server takes, too. */
export function axesOf(result: TokensResult | null, view: View): Axes | null {
  const usual = result?.targetTokens && 'cross';
  const find = (kind: string | undefined) => result?.stacks.find(stack => stack.kind === kind);
  const stack = find(view.stack) ?? find(usual) ?? result?.stacks[0];
  if (!result || !stack) return null;
  const target = result.targetTokens ?? result.tokens;
  switch (stack.kind) {
    case 'encoder':
    case 'vision':
      return { stack, queries: result.tokens, keys: result.tokens };
    case 'decoder':
      return { stack, queries: target, keys: target };
    case 'cross':
      return { stack, queries: target, keys: result.tokens };
  }
}
