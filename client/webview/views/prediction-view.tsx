import { useEffect, useState } from 'preact/hooks';
import type { Candidate, Changes, HeadEffect, PredictionResult, View } from '../../shared/protocol.js';
import { csv, useExporter } from '../export.js';
import { Footer } from '../footer.js';
import { Loading, NoPicture } from '../notice.js';
import { usePanel } from '../panel-context.js';
import { type Option, Select } from '../select.js';
import { t } from '../strings.js';
import { labelOf } from '../tokens.js';
import { Toolbar } from '../toolbar.js';
import { useQuestion } from '../use-question.js';

/** Outputs that the list shows. */
const shown = 10;

const percent = (share: number): string => {
  const value = share * 100;
  return value > 0 && value < 0.1 ? '< 0.1 %' : `${value.toFixed(1)} %`;
};

const effects: readonly HeadEffect[] = ['zero', 'uniform', 'mean'];
const effectNames = { zero: 'effectZero', uniform: 'effectUniform', mean: 'effectMean' } as const;

/** What the model says, how it gets there layer by layer, and how it moves when a token or a head is changed. */
export function PredictionView() {
  const panel = usePanel();
  const { transport, generation, version, queries, query, view, setBusy } = panel;
  const { method: _, ...asked } = view;
  const answer = useQuestion(
    transport,
    'prediction',
    { view: asked, top: shown, layers: true, ...(query === null ? {} : { token: query }) },
    generation,
  );
  useEffect(() => setBusy(answer.isWaiting), [answer.isWaiting, setBusy]);
  const prediction = answer.value?.version === version ? answer.value : null;
  useExporter({
    csv: () =>
      csv([
        ['rank', 'output', 'logit', 'probability'],
        ...(prediction?.candidates ?? []).map(({ rank, text, logit, probability }) => [rank, text, logit, probability]),
      ]),
  });

  const token = query === null ? undefined : queries[query];
  return (
    <>
      <Toolbar picks={[]}>
        <Words />
      </Toolbar>
      <div class="content">
        <div class="prediction">
          {answer.problem ? (
            <NoPicture problem={answer.problem} />
          ) : prediction ? (
            <>
              <Candidates prediction={prediction} isChanged={isChanged(view)} />
              {prediction.layers && <Lens prediction={prediction} />}
            </>
          ) : (
            <Loading />
          )}
        </div>
        <Interventions />
      </div>
      <Footer label={token ? labelOf(token) : ''} />
    </>
  );
}

const isChanged = ({ changes }: View): boolean =>
  (changes?.heads?.length ?? 0) > 0 || (changes?.tokens?.length ?? 0) > 0;

/** "Why … rather than …": what methods that explain an output are asked about, too. */
function Words() {
  const { view, setView } = usePanel();
  const [output, setOutput] = useState(view.output ?? '');
  const [contrast, setContrast] = useState(view.contrast ?? '');
  useEffect(() => setOutput(view.output ?? ''), [view.output]);
  useEffect(() => setContrast(view.contrast ?? ''), [view.contrast]);
  const apply = (event: Event) => {
    event.preventDefault();
    const { output: _, contrast: __, ...rest } = view;
    setView({
      ...rest,
      ...(output.trim() ? { output: output.trim() } : {}),
      ...(contrast.trim() ? { contrast: contrast.trim() } : {}),
    });
  };
  return (
    <form class="words" onSubmit={apply}>
      <label>
        {t('why')}
        <input
          type="text"
          value={output}
          placeholder={t('mostLikely')}
          onInput={event => setOutput(event.currentTarget.value)}
          onChange={apply}
        />
      </label>
      <label>
        {t('ratherThan')}
        <input
          type="text"
          value={contrast}
          onInput={event => setContrast(event.currentTarget.value)}
          onChange={apply}
        />
      </label>
      <button type="submit" class="visually-hidden">
        {t('why')}
      </button>
    </form>
  );
}

interface CandidatesProps {
  readonly prediction: PredictionResult;
  readonly isChanged: boolean;
}

function Candidates({ prediction, isChanged: hasChanges }: CandidatesProps) {
  const { candidates, actual, asked, before, entropy, about } = prediction;
  const others = [...(asked ?? []), ...(actual ? [actual] : [])].filter(
    (one, index, all) =>
      !candidates.some(({ id }) => id === one.id) && all.findIndex(({ id }) => id === one.id) === index,
  );
  const was = (candidate: Candidate) => before?.find(({ id }) => id === candidate.id);
  const top = before?.find(({ rank }) => rank === 0);
  return (
    <section aria-labelledby="prediction-about">
      <h2 id="prediction-about">{about}</h2>
      <p class="note">{t('entropyBits', entropy.toFixed(2))}</p>
      {hasChanges && top && candidates[0] && (
        <p class="moved" role="status">
          {top.id === candidates[0].id
            ? t('changeKept', candidates[0].text.trim(), percent(top.probability), percent(candidates[0].probability))
            : t(
                'changeMoved',
                top.text.trim(),
                percent(top.probability),
                candidates[0].text.trim(),
                percent(candidates[0].probability),
              )}
        </p>
      )}
      <table class="bars">
        <caption class="visually-hidden">{about}</caption>
        <thead class="visually-hidden">
          <tr>
            <th scope="col">{t('token')}</th>
            <th scope="col">{t('probability')}</th>
          </tr>
        </thead>
        <tbody>
          {[...candidates, ...others].map(candidate => (
            <BarRow
              key={`${candidate.rank}/${candidate.id}`}
              candidate={candidate}
              before={was(candidate)}
              isActual={actual?.id === candidate.id}
            />
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface BarRowProps {
  readonly candidate: Candidate;
  readonly before: Candidate | undefined;
  readonly isActual: boolean;
}

function BarRow({ candidate, before, isActual }: BarRowProps) {
  const { text, probability, rank } = candidate;
  return (
    <tr data-actual={isActual}>
      <th scope="row">
        {text.trim() || text}
        {isActual && <span class="tag">{t('inText')}</span>}
      </th>
      <td class="bar" aria-hidden="true">
        <span class="fill" style={{ width: `${Math.max(0, probability) * 100}%` }} />
        {before && <span class="was" style={{ left: `${before.probability * 100}%` }} />}
      </td>
      <td class="number">{percent(probability)}</td>
      <td class="note">
        {before ? t('was', percent(before.probability)) : rank >= shown ? t('rankNumber', rank + 1) : ''}
      </td>
    </tr>
  );
}

/** After every layer, what the head would say if the model ended there. */
function Lens({ prediction }: { readonly prediction: PredictionResult }) {
  const final = prediction.candidates[0]?.text.trim() ?? '';
  return (
    <section>
      <table class="lens">
        <caption>{t('lens')}</caption>
        <thead>
          <tr>
            <th scope="col">{t('after')}</th>
            <th scope="col">{t('itWouldSay')}</th>
            <th scope="col" class="number">
              {t('probability')}
            </th>
            <th scope="col">{t('secondly')}</th>
            <th scope="col" class="number">
              {t('rankOf', final)}
            </th>
            <th scope="col" class="number">
              {t('probabilityOf', final)}
            </th>
          </tr>
        </thead>
        <tbody>
          {prediction.layers?.map(({ state, candidates, rank, probability }) => {
            const [best, ...rest] = candidates;
            return (
              <tr key={state} data-final={rank === 0}>
                <th scope="row">{state === 0 ? t('embeddings') : t('layerNumber', state - 1)}</th>
                <td>{best?.text.trim()}</td>
                <td class="number">{percent(best?.probability ?? 0)}</td>
                <td class="note">{rest.map(({ text }) => text.trim()).join(', ')}</td>
                <td class="number">{rank + 1}</td>
                <td class="number">{percent(probability)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      <p class="note">{t('lensNote')}</p>
    </section>
  );
}

/** Tokens and heads that are changed, and the ways to change one more. */
function Interventions() {
  const { view, setView, queries, query, stack, model } = usePanel();
  const changes: Changes = view.changes ?? {};
  const [word, setWord] = useState('');
  const [layer, setLayer] = useState(view.layer === 'mean' ? 0 : view.layer);
  const [head, setHead] = useState(view.head === 'mean' ? 0 : view.head);
  const [effect, setEffect] = useState<HeadEffect>('zero');
  const set = (next: Changes) => {
    const { changes: _, ...rest } = view;
    const isEmpty = (next.heads?.length ?? 0) === 0 && (next.tokens?.length ?? 0) === 0;
    setView(isEmpty ? rest : { ...rest, changes: next });
  };
  const token = query === null ? undefined : queries[query];
  // Tokens of a target are what the model is asked about, not what it reads.
  const canChange = token !== undefined && (stack.kind === 'encoder' || model.kind === 'decoder');
  const change = (text?: string) => {
    if (!token) return;
    const others = (changes.tokens ?? []).filter(({ index }) => index !== token.index);
    set({ ...changes, tokens: [...others, { index: token.index, was: token.text, ...(text ? { text } : {}) }] });
    setWord('');
  };
  const numbers = (count: number): Option<number>[] =>
    Array.from({ length: count }, (_, index) => [index, String(index)]);
  const force = () => {
    const isSame = (one: { layer: number; head: number; stack?: string }) =>
      one.layer === layer && one.head === head && (one.stack ?? stack.kind) === stack.kind;
    const others = (changes.heads ?? []).filter(one => !isSame(one));
    set({ ...changes, heads: [...others, { layer, head, effect, stack: stack.kind }] });
  };
  return (
    <aside class="side" aria-label={t('whatIf')}>
      <h2>{t('whatIf')}</h2>
      <p class="note">{t('whatIfNote')}</p>
      <fieldset>
        <legend>{t('aToken')}</legend>
        {canChange && token ? (
          <>
            <button type="button" class="secondary" onClick={() => change()}>
              {t('maskToken', labelOf(token))}
            </button>
            <form
              class="words"
              onSubmit={event => {
                event.preventDefault();
                if (word.trim()) change(word.trim());
              }}
            >
              <label>
                {t('replaceBy')}
                <input type="text" value={word} onInput={event => setWord(event.currentTarget.value)} />
              </label>
              <button type="submit" class="secondary" disabled={word.trim() === ''}>
                {t('replace')}
              </button>
            </form>
          </>
        ) : (
          <p class="note">{t('chooseToken')}</p>
        )}
      </fieldset>
      <fieldset>
        <legend>{t('aHead')}</legend>
        <div class="words">
          <Select label={t('layer')} value={layer} options={numbers(stack.layers)} onChange={setLayer} />
          <Select label={t('head')} value={head} options={numbers(stack.heads)} onChange={setHead} />
          <Select
            label={t('setTo')}
            value={effect}
            options={effects.map((name): Option<HeadEffect> => [name, t(effectNames[name])])}
            onChange={setEffect}
          />
          <button type="button" class="secondary" onClick={force}>
            {t('force')}
          </button>
        </div>
      </fieldset>
      {isChanged(view) && (
        <>
          <ul class="changes">
            {(changes.tokens ?? []).map(one => (
              <Change
                key={`token-${one.index}`}
                text={
                  one.text ? t('tokenReplaced', one.was ?? one.index, one.text) : t('tokenMasked', one.was ?? one.index)
                }
                onRemove={() => set({ ...changes, tokens: (changes.tokens ?? []).filter(other => other !== one) })}
              />
            ))}
            {(changes.heads ?? []).map(one => (
              <Change
                key={`head-${one.stack}-${one.layer}-${one.head}`}
                text={t('headForced', one.layer, one.head, t(effectNames[one.effect]))}
                onRemove={() => set({ ...changes, heads: (changes.heads ?? []).filter(other => other !== one) })}
              />
            ))}
          </ul>
          <button type="button" onClick={() => set({})}>
            {t('takeBackAll')}
          </button>
        </>
      )}
    </aside>
  );
}

function Change({ text, onRemove }: { readonly text: string; readonly onRemove: () => void }) {
  const label = t('takeBack', text);
  return (
    <li>
      <span>{text}</span>
      <button type="button" class="icon" title={label} aria-label={label} onClick={onRemove}>
        <span class="codicon codicon-close" aria-hidden="true" />
      </button>
    </li>
  );
}
