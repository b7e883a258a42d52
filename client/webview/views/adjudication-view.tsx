import { Component, type ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { idOf } from '../../shared/adjudication.js';
import type { AdjudicationPair, Annotation, Choice } from '../../shared/annotation-protocol.js';
import { type AdjudicationSession, keyOf } from '../adjudication-session.js';
import { Loading, Notice } from '../notice.js';
import { t } from '../strings.js';

interface Names {
  readonly left: string;
  readonly right: string;
  readonly into: string;
}

const sides: readonly Choice[] = ['left', 'right', 'both', 'neither'];

/** By the number that a key types, and the arrow that points at the side. */
const keys: Readonly<Record<string, Choice>> = {
  1: 'left',
  2: 'right',
  3: 'both',
  0: 'neither',
  ArrowLeft: 'left',
  ArrowRight: 'right',
};
const moves: Readonly<Record<string, number>> = {
  j: 1,
  k: -1,
  ArrowDown: 1,
  ArrowUp: -1,
  PageDown: 10,
  PageUp: -10,
  Home: Number.NEGATIVE_INFINITY,
  End: Number.POSITIVE_INFINITY,
};

interface ViewProps {
  readonly session: AdjudicationSession;
  /** Grows with every change: the session itself stays the same object. */
  readonly drawing: number;
}

/** Two annotators side by side, pair by pair, and what a third takes over from them. */
export function AdjudicationView({ session }: ViewProps) {
  const { target, data, failure } = session;
  const names: Names = {
    left: target.left ?? t('noName'),
    right: target.right ?? t('noName'),
    into: target.into ?? t('noName'),
  };
  // Before the first picture: a key that is pressed on what is seen counts.
  useLayoutEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => press(session, event);
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, [session]);

  if (failure !== null) {
    return (
      <Notice kind="failed" title={t('comparisonFailed')} message={failure}>
        <button type="button" onClick={() => session.retry()}>
          {t('retry')}
        </button>
      </Notice>
    );
  }
  if (!data) return <Loading />;
  return (
    <div class="panel adjudication">
      <Head session={session} names={names} />
      <Banners session={session} names={names} />
      {session.pairs.length > 0 ? (
        <Pairs session={session} names={names} />
      ) : (
        <Nothing session={session} names={names} />
      )}
      {session.pairs.length > 0 && (
        <footer>
          <span class="what">{t('adjudicationKeys')}</span>
        </footer>
      )}
    </div>
  );
}

function press(session: AdjudicationSession, event: KeyboardEvent): void {
  // What is typed into a control belongs to it, and what is held with Ctrl to VS Code.
  const isInControl = event.target instanceof HTMLSelectElement || event.target instanceof HTMLInputElement;
  if (event.ctrlKey || event.metaKey || event.altKey || isInControl || !session.data) return;
  const choice = keys[event.key];
  const by = moves[event.key];
  if (choice) session.decide(choice);
  else if (by !== undefined) session.move(by);
  else if (event.key === 'n') session.nextOpen();
  else if (event.key === 'u') session.takeBack();
  else return;
  event.preventDefault();
}

interface PartProps {
  readonly session: AdjudicationSession;
  readonly names: Names;
}

function Head({ session, names }: PartProps) {
  const { decided } = session;
  const total = session.differing.length;
  const progress = t('adjudicationProgress', decided, total);
  const { agreed = 0 } = session.data ?? {};
  return (
    <header class="sitting">
      {total > 0 && (
        <div class="done">
          <strong role="status">{progress}</strong>
          <div
            class="meter"
            role="progressbar"
            aria-label={progress}
            aria-valuemin={0}
            aria-valuemax={total}
            aria-valuenow={decided}
          >
            <div class="meter-fill" style={{ width: `${total === 0 ? 100 : (100 * decided) / total}%` }} />
          </div>
          <span class="note">{t('adjudicationInto', names.into)}</span>
        </div>
      )}
      <div class="toolbar">
        {total > 0 && (
          <>
            <button type="button" class="secondary" disabled={decided === total} onClick={() => session.nextOpen()}>
              {t('nextOpen')}
            </button>
            <button type="button" class="secondary" disabled={!session.canUndo} onClick={() => session.takeBack()}>
              {t('undoDecision')}
            </button>
            <select
              aria-label={t('decideAllOpen')}
              disabled={decided === total}
              value=""
              onChange={event => {
                const chosen = sides.find(side => side === event.currentTarget.value);
                event.currentTarget.value = '';
                if (chosen) session.decideAll(chosen);
              }}
            >
              <option value="">{t('decideAllOpen')}</option>
              <option value="left">{names.left}</option>
              <option value="right">{names.right}</option>
              <option value="both">{t('choiceBoth')}</option>
              <option value="neither">{t('choiceNeither')}</option>
            </select>
          </>
        )}
        {agreed > 0 && (
          <label class="field end">
            <input
              type="checkbox"
              checked={session.isAgreedShown}
              onChange={event => session.showAgreed(event.currentTarget.checked)}
            />
            {t('showAgreed', agreed)}
          </label>
        )}
      </div>
    </header>
  );
}

function Banners({ session, names }: PartProps) {
  const { data, notices, decided } = session;
  const said = [...new Set([...notices, ...(data?.problems ?? [])])];
  const total = session.differing.length;
  const unwritten = data?.unwritten ?? 0;
  return (
    <>
      {said.map(sentence => (
        <p key={sentence} class="banner" role="alert">
          {sentence}
        </p>
      ))}
      {total > 0 && decided === total && (
        <p class="banner done" role="status">
          <span class="codicon codicon-pass-filled" aria-hidden="true" /> {t('allDecided', names.into)}
        </p>
      )}
      {unwritten > 0 && decided === total && session.pairs.length > 0 && (
        <p class="banner" role="status">
          {unwritten === 1 ? t('unwrittenAgreedOne', names.into) : t('unwrittenAgreed', unwritten, names.into)}{' '}
          <button type="button" class="link" onClick={() => session.takeAgreed()}>
            {t('takeAgreed')}
          </button>
        </p>
      )}
    </>
  );
}

/** No pair to decide: both agree, or neither has anything. */
function Nothing({ session, names }: PartProps) {
  const { agreed = 0, unwritten = 0 } = session.data ?? {};
  return (
    <Notice
      kind="empty"
      icon={agreed > 0 ? 'pass' : 'circle-slash'}
      title={agreed > 0 ? t('allAgreeTitle') : t('nothingToAdjudicateTitle')}
      message={
        agreed > 0 ? t('allAgree', names.left, names.right, agreed) : t('nothingToAdjudicate', names.left, names.right)
      }
    >
      {unwritten > 0 && (
        <button type="button" onClick={() => session.takeAgreed()}>
          {t('takeAgreedInto', names.into)}
        </button>
      )}
    </Notice>
  );
}

function Pairs({ session, names }: PartProps) {
  const list = useRef<HTMLDivElement>(null);
  const { pairs, focusedKey, data } = session;
  useLayoutEffect(() => {
    const row = list.current?.querySelector<HTMLElement>('[data-focused=true]');
    if (!row) return;
    row.scrollIntoView({ block: 'nearest' });
    // A panel that is not in use takes the keyboard from nobody, and what is typed into a control stays there.
    const { activeElement } = document;
    if (document.hasFocus() && !(activeElement instanceof HTMLInputElement)) row.focus({ preventScroll: true });
  }, [focusedKey]);
  return (
    <>
      <div class="columns" aria-hidden="true">
        <span>{names.left}</span>
        <span>{names.right}</span>
      </div>
      <div class="pairs" role="feed" aria-label={t('pairsOf', names.left, names.right)} ref={list}>
        {pairs.map((pair, index) => {
          const key = keyOf(idOf(pair));
          return (
            <Row
              key={key}
              session={session}
              pair={pair}
              choice={session.choiceOf(pair)}
              isFocused={key === focusedKey}
              index={index}
              count={pairs.length}
              colors={data?.colors ?? {}}
              names={names}
            />
          );
        })}
      </div>
    </>
  );
}

interface RowProps {
  readonly session: AdjudicationSession;
  readonly pair: AdjudicationPair;
  readonly choice: Choice;
  readonly isFocused: boolean;
  readonly index: number;
  readonly count: number;
  readonly colors: Readonly<Record<string, string>>;
  readonly names: Names;
}

/** Hundreds of rows stay as they are while one is decided. */
class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    const { pair, choice, isFocused, index, count } = this.props;
    return (
      next.pair !== pair ||
      next.choice !== choice ||
      next.isFocused !== isFocused ||
      next.index !== index ||
      next.count !== count
    );
  }

  override render({ session, pair, choice, isFocused, index, count, colors, names }: RowProps) {
    const { left, right, difference } = pair;
    const [start] = (left ?? right)?.ranges ?? [];
    const what = kindWords(left ?? right);
    const kind = [what, differenceWords(pair, names)].filter(Boolean).join(' · ');
    const place = start ? t('line', start.start.line + 1) : '–';
    const shared = { session, pair, choice, isFocused };
    const half = (side: 'left' | 'right', annotation: Annotation | undefined, other: Annotation | undefined) => (
      <Half
        name={names[side]}
        annotation={annotation}
        other={other}
        color={annotation && colors[annotation.label]}
        state={choice === 'open' ? 'open' : choice === side || choice === 'both' ? 'taken' : 'left'}
      />
    );
    return (
      <article
        class="pair"
        tabIndex={isFocused ? 0 : -1}
        aria-posinset={index + 1}
        aria-setsize={count}
        aria-label={`${place}, ${kind}, ${choiceWords(choice, names)}`}
        data-focused={isFocused}
        data-choice={choice}
        data-difference={difference}
        onClick={() => session.lookAt(pair, true)}
        onKeyDown={event => {
          if (event.key === 'Enter' && event.target === event.currentTarget) session.lookAt(pair, true);
        }}
      >
        <div class="pair-head">
          <span
            class={`codicon codicon-${choice === 'open' ? 'circle-large-outline' : choice === 'neither' ? 'circle-slash' : 'pass-filled'}`}
            aria-hidden="true"
          />
          <span class="place">{place}</span>
          <span class="kind">{kind}</span>
          <span class="choices" role="group" aria-label={t('choiceOf', place)}>
            {left && <ChoiceButton {...shared} value="left" number={1} label={names.left} />}
            {right && <ChoiceButton {...shared} value="right" number={2} label={names.right} />}
            {left && right && <ChoiceButton {...shared} value="both" number={3} label={t('choiceBoth')} />}
            <ChoiceButton {...shared} value="neither" number={0} label={t('choiceNeither')} />
          </span>
        </div>
        <div class="halves">
          {half('left', left, right)}
          {half('right', right, left)}
        </div>
        {pair.taken?.map(taken => (
          <p key={taken.id} class="otherwise">
            <span class="codicon codicon-warning" aria-hidden="true" />{' '}
            {t('takenOtherwise', names.into, taken.label, taken.quote ?? '')}
          </p>
        ))}
      </article>
    );
  }
}

interface ChoiceButtonProps {
  readonly session: AdjudicationSession;
  readonly pair: AdjudicationPair;
  readonly choice: Choice;
  readonly value: Choice;
  readonly number: number;
  readonly label: string;
  readonly isFocused: boolean;
}

function ChoiceButton({ session, pair, choice, value, number, label, isFocused }: ChoiceButtonProps) {
  return (
    <button
      type="button"
      class="secondary"
      tabIndex={isFocused ? 0 : -1}
      aria-pressed={choice === value}
      aria-keyshortcuts={String(number)}
      onClick={event => {
        event.stopPropagation();
        session.decide(value, pair);
      }}
    >
      <span class="key" aria-hidden="true">
        {number}
      </span>{' '}
      {label}
    </button>
  );
}

interface HalfProps {
  readonly name: string;
  readonly annotation: Annotation | undefined;
  readonly other: Annotation | undefined;
  readonly color: string | undefined;
  readonly state: 'open' | 'taken' | 'left';
}

/** What one side says; where the other says something else it stands out. */
function Half({ name, annotation, other, color, state }: HalfProps) {
  const who = <span class="visually-hidden">{`${name}: `}</span>;
  if (!annotation) {
    return (
      <div class="half nothing" data-state={state}>
        {who}
        {t('nothingHere')}
      </div>
    );
  }
  const { label, quote, attributes = {}, state: anchor } = annotation;
  const { note, ...others } = attributes;
  const differs = (attribute: string) =>
    other !== undefined && other.attributes?.[attribute] !== attributes[attribute] ? 'true' : undefined;
  return (
    <div class="half" data-state={state}>
      {who}
      <span class="label" data-differs={other !== undefined && other.label !== label ? 'true' : undefined}>
        <span class="label-color" aria-hidden="true" style={color ? { backgroundColor: colorOf(color) } : {}} />
        {label}
      </span>{' '}
      {quote !== undefined && <span class="quote">{marked(quote, other?.quote)}</span>}
      {Object.entries(others).map(([attribute, value]) => (
        <span key={attribute} class="attribute" data-differs={differs(attribute)}>
          {`${attribute}: ${value}`}
        </span>
      ))}
      {note && (
        <span class="attribute" data-differs={differs('note')}>
          <span class="codicon codicon-comment" aria-hidden="true" /> {note}
        </span>
      )}
      {anchor !== 'anchored' && (
        <span class="attribute">
          <span class="codicon codicon-warning" aria-hidden="true" />{' '}
          {t(anchor === 'review' ? 'toReview' : 'textIsGone')}
        </span>
      )}
    </div>
  );
}

/** The text of a side; what it has beyond the other side's text is marked. */
function marked(quote: string, other: string | undefined): ComponentChildren {
  const at = other ? quote.indexOf(other) : -1;
  if (!other || at < 0 || other === quote) return quote;
  const [before, after] = [quote.slice(0, at), quote.slice(at + other.length)];
  return (
    <>
      {before && <mark>{before}</mark>}
      {other}
      {after && <mark>{after}</mark>}
    </>
  );
}

/** The palette's names are colours of the theme, as in the editor. */
const colorOf = (color: string): string =>
  color.startsWith('#')
    ? color
    : `var(--vscode-attentionLens-label${color.charAt(0).toUpperCase()}${color.slice(1)}Border, var(--vscode-charts-${color}, currentColor))`;

function differenceWords({ difference, left, right }: AdjudicationPair, names: Names): string {
  const words = {
    none: t('differsNot'),
    attributes: t('differsAttributes'),
    label: t('differsLabel'),
    extent: t('differsExtent'),
    labelAndExtent: t('differsLabelAndExtent'),
    onlyLeft: t('only', names.left),
    onlyRight: t('only', names.right),
  }[difference];
  const isMore =
    left &&
    right &&
    difference !== 'attributes' &&
    JSON.stringify(left.attributes) !== JSON.stringify(right.attributes);
  return isMore ? `${words}, ${t('differsAttributesToo')}` : words;
}

/** What is not a span says so. */
const kindWords = (annotation: Annotation | undefined): string =>
  annotation?.kind === 'relation' ? t('aRelation') : annotation?.kind === 'document' ? t('theDocument') : '';

const choiceWords = (choice: Choice, names: Names): string =>
  ({
    open: t('choiceOpen'),
    left: names.left,
    right: names.right,
    both: t('choiceBoth'),
    neither: t('choiceNeither'),
  })[choice];
