import {
  type AdjudicationData,
  type AdjudicationState,
  type AdjudicationTarget,
  type FromAdjudication,
  idOf,
  type PairId,
  type Step,
  type ToAdjudication,
} from '../shared/adjudication.js';
import type { AdjudicationPair, Choice } from '../shared/annotation-protocol.js';

const longestHistory = 200;

/** What the panel needs from VS Code. */
export interface AdjudicationApi {
  postMessage(message: FromAdjudication): void;
  getState(): unknown;
  setState(state: AdjudicationState): void;
}

/** A decision on its way to the sidecar. */
interface Sent {
  readonly wanted: ReadonlyMap<string, Choice>;
  /** The step that takes it back; what the server says takes its place. */
  entry: { step: Step } | null;
  /** What it takes back itself. */
  readonly undone?: Step;
}

export const keyOf = ({ left, right }: PairId): string => `${left ?? ''}\0${right ?? ''}`;
const keyOfPair = (pair: AdjudicationPair): string => keyOf(idOf(pair));

/** What a choice comes to: taking a side takes its silence too, and of both there may be only one. */
export function comesTo({ left, right }: AdjudicationPair, choice: Choice): Choice {
  if ((choice === 'left' && !left) || (choice === 'right' && !right)) return 'neither';
  if (choice === 'both' && !(left && right)) return left ? 'left' : 'right';
  return choice;
}

/**
 * One sitting: what is compared, which pair is looked at, what has been decided. Decisions count on the screen at once and are taken off it
 * again where the sidecar could not be written.
 */
export class AdjudicationSession {
  data: AdjudicationData | null = null;
  /** Why there are no pairs. */
  failure: string | null = null;
  /** What became of the last decision, where that was not done. */
  notices: readonly string[] = [];
  focusedKey: string | null;
  isAgreedShown: boolean;
  private readonly undo: { step: Step }[];
  private sent: Sent[] = [];

  constructor(
    readonly target: AdjudicationTarget,
    private readonly api: AdjudicationApi,
    saved: AdjudicationState | null,
    private readonly onChange: () => void,
  ) {
    this.focusedKey = saved?.focus ? keyOf(saved.focus) : null;
    this.isAgreedShown = saved?.isAgreedShown ?? false;
    this.undo = (saved?.undo ?? []).map(step => ({ step }));
  }

  get pairs(): readonly AdjudicationPair[] {
    return this.data?.pairs ?? [];
  }

  get differing(): readonly AdjudicationPair[] {
    return this.pairs.filter(({ difference }) => difference !== 'none');
  }

  get decided(): number {
    return this.differing.filter(pair => this.choiceOf(pair) !== 'open').length;
  }

  get canUndo(): boolean {
    return this.undo.length > 0;
  }

  get focused(): AdjudicationPair | undefined {
    return this.pairs.find(pair => keyOfPair(pair) === this.focusedKey);
  }

  /** As decided, whether or not the sidecar has it yet. */
  choiceOf(pair: AdjudicationPair): Choice {
    const key = keyOfPair(pair);
    return this.sent.findLast(({ wanted }) => wanted.has(key))?.wanted.get(key) ?? pair.choice;
  }

  receive(event: Exclude<ToAdjudication, { type: 'init' }>): void {
    switch (event.type) {
      case 'pairs': {
        const before = this.pairs.findIndex(pair => keyOfPair(pair) === this.focusedKey);
        this.failure = null;
        this.data = { ...event.data, pairs: reuse(this.pairs, event.data.pairs) };
        const isUndone = event.isAnswer && this.answered(event.changed ?? [], event.data.problems ?? []);
        if (!this.focused) {
          // At the beginning the first that is open; where a pair is gone, the one that took its place.
          const next = before >= 0 ? this.pairs[Math.min(before, this.pairs.length - 1)] : this.open(-1, 1);
          this.lookAt(next ?? this.pairs[0], true);
          return;
        }
        this.lookAt(this.focused, isUndone);
        return;
      }
      case 'failed':
        if (event.isAnswer) {
          if (this.answered(null, [event.message])) this.lookAt(this.focused, true);
        } else if (this.data) this.notices = [event.message];
        else this.failure = event.message;
        break;
      case 'focus':
        this.lookAt(
          this.pairs.find(pair => keyOfPair(pair) === keyOf(event.id)),
          false,
        );
        return;
    }
    this.changed();
  }

  /** By so many rows, to the first or last one at most. */
  move(by: number): void {
    const at = this.pairs.findIndex(pair => keyOfPair(pair) === this.focusedKey);
    this.lookAt(this.pairs[Math.max(0, Math.min(this.pairs.length - 1, at + by))], true);
  }

  lookAt(pair: AdjudicationPair | undefined, isRevealed: boolean): void {
    this.focusedKey = pair ? keyOfPair(pair) : null;
    this.api.postMessage({ type: 'focus', id: pair ? idOf(pair) : null, isRevealed });
    this.changed();
  }

  nextOpen(): void {
    const next = this.open(
      this.pairs.findIndex(pair => keyOfPair(pair) === this.focusedKey),
      1,
    );
    if (next) this.lookAt(next, true);
  }

  /** Decides a pair, and goes on to the next one that is open where this one was. */
  decide(choice: Choice, pair = this.focused): void {
    if (!pair) return;
    const before = this.choiceOf(pair);
    const wanted = comesTo(pair, choice);
    this.focusedKey = keyOfPair(pair);
    if (wanted !== before) {
      const id = idOf(pair);
      this.send(new Map([[keyOf(id), wanted]]), [{ ...id, choice: before }]);
      this.api.postMessage({ type: 'decide', decisions: [{ ...id, choice: wanted, stamp: pair.stamp }] });
    }
    const next = before === 'open' ? this.open(this.pairs.indexOf(pair), 1) : undefined;
    this.lookAt(next ?? pair, true);
  }

  decideAll(choice: Choice): void {
    const open = this.differing.filter(pair => this.choiceOf(pair) === 'open');
    if (open.length === 0) return;
    this.send(
      new Map(open.map(pair => [keyOfPair(pair), comesTo(pair, choice)])),
      open.map(pair => ({ ...idOf(pair), choice: 'open' as const })),
    );
    this.api.postMessage({ type: 'decideAll', choice });
    this.changed();
  }

  takeBack(): void {
    const step = this.undo.pop()?.step;
    if (!step) return;
    this.sent.push({
      wanted: new Map(step.map(decision => [keyOf(decision), decision.choice])),
      entry: null,
      undone: step,
    });
    this.api.postMessage({ type: 'decide', decisions: step });
    const [first] = step;
    const pair = first && this.pairs.find(one => keyOfPair(one) === keyOf(first));
    this.lookAt(pair ?? this.focused, true);
  }

  /** Takes over what both agree on. */
  takeAgreed(): void {
    this.sent.push({ wanted: new Map(), entry: null });
    this.api.postMessage({ type: 'decide', decisions: [] });
    this.changed();
  }

  showAgreed(isShown: boolean): void {
    this.isAgreedShown = isShown;
    this.api.postMessage({ type: 'agreed', isShown });
    this.changed();
  }

  retry(): void {
    this.failure = null;
    this.api.postMessage({ type: 'refresh' });
    this.changed();
  }

  /** The next pair to decide, around the end if need be. */
  private open(from: number, by: 1 | -1): AdjudicationPair | undefined {
    const { pairs } = this;
    for (let i = 1; i <= pairs.length; i++) {
      const pair = pairs[(((from + i * by) % pairs.length) + pairs.length) % pairs.length];
      if (pair && this.choiceOf(pair) === 'open') return pair;
    }
    return undefined;
  }

  private send(wanted: ReadonlyMap<string, Choice>, step: Step): void {
    const entry = { step };
    this.undo.push(entry);
    if (this.undo.length > longestHistory) this.undo.shift();
    this.sent.push({ wanted, entry });
  }

  /**
   * @param changed what had been decided before; null: nothing could be done.
   * @returns whether something did not come to be, which is looked at again then.
   */
  private answered(changed: Step | null, problems: readonly string[]): boolean {
    const sent = this.sent.shift();
    if (!sent) return false;
    this.notices = problems;
    if (sent.entry) {
      if (changed && changed.length > 0) sent.entry.step = changed;
      else if (this.undo.includes(sent.entry)) this.undo.splice(this.undo.indexOf(sent.entry), 1);
    } else if (!changed && sent.undone) this.undo.push({ step: sent.undone });
    const undone = this.pairs.find(pair => (sent.wanted.get(keyOfPair(pair)) ?? pair.choice) !== pair.choice);
    if (!undone || problems.length === 0) return false;
    this.focusedKey = keyOfPair(undone);
    return true;
  }

  private changed(): void {
    const focus = this.focused;
    this.api.setState({
      target: this.target,
      undo: this.undo.map(({ step }) => step),
      isAgreedShown: this.isAgreedShown,
      ...(focus ? { focus: idOf(focus) } : {}),
    });
    this.onChange();
  }
}

/** What has not changed stays the same object, so that its row is not drawn anew. */
function reuse(before: readonly AdjudicationPair[], now: readonly AdjudicationPair[]): AdjudicationPair[] {
  const known = new Map(before.map(pair => [keyOfPair(pair), pair]));
  return now.map(pair => {
    const old = known.get(keyOfPair(pair));
    return old && JSON.stringify(old) === JSON.stringify(pair) ? old : pair;
  });
}
