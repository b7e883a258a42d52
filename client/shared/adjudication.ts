/**
 * What the extension host and the adjudication panel say to each other. Everything is checked on arrival: an unknown message is ignored,
 * never thrown.
 */

import type { AdjudicationDecision, AdjudicationNames, AdjudicationPair, Choice } from './annotation-protocol.js';

/** The document and the three annotators that a panel is about: enough to find it again after a reload. */
export interface AdjudicationTarget extends AdjudicationNames {
  readonly uri: string;
  /** Of the file. */
  readonly name: string;
}

/** A pair, by the ids of its annotations; absent where a side has nothing. */
export interface PairId {
  readonly left?: string;
  readonly right?: string;
}

export const idOf = ({ left, right }: AdjudicationPair): PairId => ({
  ...(left ? { left: left.id } : {}),
  ...(right ? { right: right.id } : {}),
});

/** Decisions that take one step back. */
export type Step = readonly AdjudicationDecision[];

/** What the panel keeps over a reload, through setState. */
export interface AdjudicationState {
  readonly target: AdjudicationTarget;
  readonly focus?: PairId;
  readonly undo: readonly Step[];
  readonly isAgreedShown: boolean;
}

export interface AdjudicationData {
  readonly pairs: readonly AdjudicationPair[];
  readonly agreed: number;
  readonly unwritten: number;
  readonly problems?: readonly string[];
  /** By label: "#rrggbb", or a name of the palette. */
  readonly colors: Readonly<Record<string, string>>;
}

export type ToAdjudication =
  | {
      readonly type: 'init';
      readonly strings: Readonly<Record<string, string>>;
      readonly target: AdjudicationTarget;
    }
  /** The pairs as they are now; `isAnswer`: this answers the oldest decision that has no answer yet. */
  | {
      readonly type: 'pairs';
      readonly data: AdjudicationData;
      readonly isAnswer: boolean;
      readonly changed?: Step;
    }
  | { readonly type: 'failed'; readonly message: string; readonly isAnswer: boolean }
  /** The editor's cursor is in this pair. */
  | { readonly type: 'focus'; readonly id: PairId };

export type FromAdjudication =
  | { readonly type: 'ready'; readonly isAgreedShown: boolean }
  /** No decision at all takes over what both agree on. */
  | { readonly type: 'decide'; readonly decisions: Step }
  | { readonly type: 'decideAll'; readonly choice: Choice }
  | { readonly type: 'agreed'; readonly isShown: boolean }
  /** Marks a pair in the editor, and brings it on the screen; null takes the marks away. */
  | { readonly type: 'focus'; readonly id: PairId | null; readonly isRevealed: boolean }
  | { readonly type: 'refresh' };

type Fields = Readonly<Record<string, unknown>>;

const choices: readonly Choice[] = ['open', 'left', 'right', 'both', 'neither'];

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const isTextOrAbsent = (value: unknown): boolean => value === undefined || typeof value === 'string';
const isChoice = (value: unknown): value is Choice => choices.includes(value as Choice);

const isPairId = (value: unknown): value is PairId =>
  isObject(value) && isTextOrAbsent(value.left) && isTextOrAbsent(value.right);

const isStep = (value: unknown): value is Step =>
  Array.isArray(value) &&
  value.every(
    one => isObject(one) && isPairId(one) && isChoice((one as Fields).choice) && isTextOrAbsent((one as Fields).stamp),
  );

const isTarget = (value: unknown): value is AdjudicationTarget =>
  isObject(value) &&
  isPairId(value) &&
  typeof value.uri === 'string' &&
  typeof value.name === 'string' &&
  isTextOrAbsent(value.into);

export const isAdjudicationState = (value: unknown): value is AdjudicationState =>
  isObject(value) &&
  isTarget(value.target) &&
  (value.focus === undefined || isPairId(value.focus)) &&
  Array.isArray(value.undo) &&
  value.undo.every(isStep) &&
  typeof value.isAgreedShown === 'boolean';

export function isFromAdjudication(value: unknown): value is FromAdjudication {
  if (!isObject(value)) return false;
  switch (value.type) {
    case 'ready':
      return typeof value.isAgreedShown === 'boolean';
    case 'decide':
      return isStep(value.decisions);
    case 'decideAll':
      return isChoice(value.choice);
    case 'agreed':
      return typeof value.isShown === 'boolean';
    case 'focus':
      return (value.id === null || isPairId(value.id)) && typeof value.isRevealed === 'boolean';
    case 'refresh':
      return true;
    default:
      return false;
  }
}

export function isToAdjudication(value: unknown): value is ToAdjudication {
  if (!isObject(value)) return false;
  switch (value.type) {
    case 'init':
      return isObject(value.strings) && isTarget(value.target);
    case 'pairs':
      return isObject(value.data) && Array.isArray(value.data.pairs) && typeof value.isAnswer === 'boolean';
    case 'failed':
      return typeof value.message === 'string' && typeof value.isAnswer === 'boolean';
    case 'focus':
      return isPairId(value.id);
    default:
      return false;
  }
}
