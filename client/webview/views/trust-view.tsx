import { useEffect, useMemo, useState } from 'preact/hooks';
import type { MessageKey } from '../../shared/messages.js';
import type { Metric, MetricFamily, RemovalCurve } from '../../shared/protocol.js';
import { csv, useExporter } from '../export.js';
import { Footer } from '../footer.js';
import { type MetricName, metricTexts } from '../metrics.js';
import { Loading, NoPicture } from '../notice.js';
import { usePanel } from '../panel-context.js';
import { formatWeight, t } from '../strings.js';
import { labelOf } from '../tokens.js';
import { Toolbar } from '../toolbar.js';
import { useQuestion } from '../use-question.js';

/** Below this probability of the output the picture is one of a guess. */
const unsure = 0.1;

/** Steps of the bar under a word. */
const steps = 6;

/** Can this picture be trusted? What is cheap is measured at once, what costs hundreds of passes when asked for. */
export function TrustView() {
  const { transport, generation, version, queries, keys, view, query, setBusy } = usePanel();
  const [marked, setMarked] = useState<readonly number[]>([]);
  const [wanted, setWanted] = useState<readonly MetricFamily[]>([]);
  const picture = { view, ...(query !== null && query < queries.length ? { query } : {}) };
  const about = JSON.stringify([picture, version]);
  // What was marked and measured belongs to one picture of one text.
  useEffect(() => setMarked([]), [version]);
  useEffect(() => setWanted([]), [about]);

  const rationale = marked.filter(index => index < keys.length);
  const clear = useQuestion(transport, 'evaluation', { ...picture, measures: ['clarity'] }, generation);
  const plausible = useQuestion(
    transport,
    'evaluation',
    rationale.length > 0 ? { ...picture, measures: ['plausibility'], rationale } : null,
    generation,
  );
  const measured = (family: MetricFamily) => (wanted.includes(family) ? { ...picture, measures: [family] } : null);
  const faithful = useQuestion(transport, 'evaluation', measured('faithfulness'), generation);
  const robust = useQuestion(transport, 'evaluation', measured('robustness'), generation);
  useEffect(() => setBusy(clear.isWaiting), [clear.isWaiting, setBusy]);

  const sections = [
    { family: 'clarity', heading: 'clarityTitle', answer: clear, isOnRequest: false },
    {
      family: 'faithfulness',
      heading: 'faithfulnessTitle',
      ask: 'faithfulnessAsk',
      answer: faithful,
      isOnRequest: true,
    },
    {
      family: 'plausibility',
      heading: 'plausibilityTitle',
      ask: 'plausibilityAsk',
      answer: plausible,
      isOnRequest: false,
    },
    { family: 'robustness', heading: 'robustnessTitle', ask: 'robustnessAsk', answer: robust, isOnRequest: true },
  ] as const;
  const isAsked = (family: MetricFamily) =>
    family === 'clarity' || (family === 'plausibility' ? rationale.length > 0 : wanted.includes(family));
  const metrics = sections.flatMap(({ family, answer }) =>
    isAsked(family) ? (answer.value?.metrics ?? []).filter(metric => metric.family === family) : [],
  );
  useExporter({
    csv: () =>
      csv([
        ['measure', 'family', 'better', 'value', 'chance'],
        ...metrics.map(({ name, family, better, value, chance }) => [name, family, better, value, chance ?? '']),
      ]),
  });

  const { value } = clear;
  const strongest = useMemo(
    () => (value?.scores ?? []).reduce((most, score) => Math.max(most, Math.abs(score)), 0),
    [value],
  );
  const toggle = (token: number) =>
    setMarked(now => (now.includes(token) ? now.filter(other => other !== token) : [...now, token]));
  if (clear.problem) return <NoPicture problem={clear.problem} />;
  if (!value || value.version !== version) return <Loading />;
  const scoreOf = new Map(value.items.map((token, index) => [token, value.scores[index] ?? 0]));

  return (
    <>
      <Toolbar picks={['layer', 'head']} />
      <div class="content trust">
        <h1>{t('trustTitle')}</h1>
        {value.output !== undefined && value.probability !== undefined && (
          <p>
            {t('trustAgainst', value.output, formatWeight(value.probability))} {value.isMasked && t('trustMasked')}{' '}
            {value.probability < unsure && t('trustUnsure')}
          </p>
        )}
        <Problems list={value.problems} />
        <section aria-label={t('trustWords')}>
          <h2>{t('trustWords')}</h2>
          <p class="note">{t('trustWordsHint')}</p>
          <div class="words">
            {keys.map(token => {
              const score = scoreOf.get(token.index);
              if (score === undefined) {
                return token.special ? null : (
                  <span key={token.index} class="word" data-query={token.index === query}>
                    {labelOf(token)}
                  </span>
                );
              }
              const step = strongest > 0 ? Math.round(Math.sqrt(Math.abs(score) / strongest) * steps) : 0;
              return (
                <button
                  key={token.index}
                  type="button"
                  class="word"
                  data-step={step}
                  data-sign={score < 0 ? 'negative' : 'positive'}
                  aria-pressed={marked.includes(token.index)}
                  aria-label={t('scoreOf', labelOf(token), signed(score))}
                  title={signed(score)}
                  onClick={() => toggle(token.index)}
                >
                  {labelOf(token)}
                </button>
              );
            })}
          </div>
          {rationale.length > 0 && (
            <button type="button" class="secondary" onClick={() => setMarked([])}>
              {t('clearReasons')}
            </button>
          )}
        </section>
        {sections.map(({ family, heading, answer, isOnRequest, ...rest }) => {
          const asked = isAsked(family);
          const shown = asked && !answer.isWaiting ? answer.value : null;
          return (
            <section key={family} aria-label={t(heading)} data-family={family} aria-busy={asked && answer.isWaiting}>
              <h2>{t(heading)}</h2>
              {!asked && 'ask' in rest && <p class="note">{t(rest.ask)}</p>}
              {!asked && isOnRequest && (
                <button type="button" onClick={() => setWanted(now => [...now, family])}>
                  {t('measure')}
                </button>
              )}
              {asked && answer.isWaiting && family !== 'clarity' && (
                <div class="measuring" role="status">
                  <div class="progress" />
                  <span>{t('measuring')}</span>
                  {isOnRequest && (
                    <button
                      type="button"
                      class="secondary"
                      onClick={() => setWanted(now => now.filter(other => other !== family))}
                    >
                      {t('stopMeasuring')}
                    </button>
                  )}
                </div>
              )}
              {asked && answer.problem && <p role="alert">{answer.problem.message}</p>}
              {family !== 'clarity' && <Problems list={shown?.problems} />}
              <dl>
                {shown?.metrics
                  .filter(metric => metric.family === family)
                  .map(metric => (
                    <MetricRow key={metric.name} metric={metric} probability={shown.probability} />
                  ))}
              </dl>
              {family === 'faithfulness' && shown?.curve && <Curves curve={shown.curve} />}
            </section>
          );
        })}
      </div>
      <Footer />
    </>
  );
}

const Problems = ({ list }: { readonly list: readonly string[] | undefined }) => (
  <>
    {list?.map(problem => (
      <p key={problem} class="note" role="status">
        {problem}
      </p>
    ))}
  </>
);

const signed = (score: number): string => `${score < 0 ? '−' : ''}${formatWeight(Math.abs(score))}`;

const isKnown = (name: string): name is MetricName => name in metricTexts;

/** As in the report of the command line: two significant digits below 0.1, no minus before nothing. */
function format(value: number): string {
  const size = Math.abs(value);
  const shown = size.toFixed(size < 0.0995 ? 3 : size < 9.995 ? 2 : 1);
  return value < 0 && Number(shown) > 0 ? `−${shown}` : shown;
}

/** Measures that lie between nothing and the probability of the output. */
const probabilities: readonly string[] = ['comprehensiveness', 'sufficiency', 'deletion', 'insertion'];

interface MetricRowProps {
  readonly metric: Metric;
  readonly probability: number | undefined;
}

function MetricRow({ metric, probability }: MetricRowProps) {
  const { name, better, value, chance, beaten, draws } = metric;
  if (!isKnown(name)) return null;
  const [title, means, but] = metricTexts[name];
  const verdict = beaten !== undefined && draws ? verdictOf(beaten / draws) : null;
  const most = probabilities.includes(name) ? Math.max(probability ?? 1, value, chance ?? 0) : 1;
  const reference: MessageKey = better === 'none' ? 'flatIs' : 'chanceIs';
  return (
    <div class="metric" data-metric={name}>
      <dt>
        <span>{t(title)}</span>
        <span class="value">{format(value)}</span>
        {name !== 'effectiveTokens' && <Scale value={value} chance={chance} most={most} />}
        {chance !== undefined && <span class="note">{t(reference, format(chance))}</span>}
        {verdict && (
          <span class="verdict" data-verdict={verdict}>
            {marks[verdict]} {t('beatsRandom', Math.round(beaten ?? 0), draws ?? 0)}
          </span>
        )}
      </dt>
      <dd>
        {t(means)} <span class="note">{t('butNot', t(but))}</span>
      </dd>
    </div>
  );
}

/** One text decides little: only a picture that beats nearly all random ones is called better. */
const verdictOf = (share: number) => (share >= 0.95 ? 'better' : share <= 0.5 ? 'worse' : 'same');

const marks = { better: '▲', worse: '▼', same: '≈' } as const;

interface ScaleProps {
  readonly value: number;
  readonly chance: number | undefined;
  readonly most: number;
}

/** A value on a line from 0 (or from the opposite of the most) to the most that there is, and chance as a tick on it. */
function Scale({ value, chance, most }: ScaleProps) {
  const least = value < 0 || (chance ?? 0) < 0 ? -most : 0;
  const x = (at: number) => 2 + (116 * (Math.min(most, Math.max(least, at)) - least)) / (most - least);
  return (
    <svg class="scale" width="120" height="14" aria-hidden="true">
      <line class="track" x1={x(least)} x2={x(most)} y1="7" y2="7" />
      <line class="bar" x1={x(0)} x2={x(value)} y1="7" y2="7" />
      {chance !== undefined && <line class="tick" x1={x(chance)} x2={x(chance)} y1="0" y2="14" />}
    </svg>
  );
}

const plot = { left: 34, top: 8, width: 260, height: 120 };

/** The two curves beside those of a random order. */
function Curves({ curve }: { readonly curve: RemovalCurve }) {
  const { shares } = curve;
  const most = Math.max(0.01, ...curve.without, ...curve.only, ...curve.chanceWithout, ...curve.chanceOnly);
  const path = (values: readonly number[]) =>
    values
      .map((value, index) => {
        const x = plot.left + (shares[index] ?? 0) * plot.width;
        const y = plot.top + (1 - value / most) * plot.height;
        return `${index === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`;
      })
      .join('');
  const [right, bottom] = [plot.left + plot.width, plot.top + plot.height];
  const end = (values: readonly number[]) => format(values[Math.floor(values.length / 2)] ?? 0);
  const summary = `${t('curveName')}: ${t('curveWithout')} ${end(curve.without)}, ${t('curveOnly')} ${end(curve.only)}`;
  return (
    <figure class="curves">
      <figcaption>{t('curveName')}</figcaption>
      <svg width={right + 8} height={bottom + 34} role="img" aria-label={summary}>
        <path class="axis" d={`M${plot.left} ${plot.top}V${bottom}H${right}`} />
        <text x={plot.left - 4} y={plot.top + 4} text-anchor="end">
          {format(most)}
        </text>
        <text x={plot.left - 4} y={bottom + 4} text-anchor="end">
          0
        </text>
        <text x={plot.left} y={bottom + 14} text-anchor="middle">
          0
        </text>
        <text x={right} y={bottom + 14} text-anchor="end">
          1
        </text>
        <text x={plot.left + plot.width / 2} y={bottom + 28} text-anchor="middle">
          {t('curveShare')}
        </text>
        <path class="curve chance" d={path(curve.chanceWithout)} />
        <path class="curve chance" d={path(curve.chanceOnly)} />
        <path class="curve without" d={path(curve.without)} />
        <path class="curve only" d={path(curve.only)} />
      </svg>
      <ul class="curve-legend">
        {(['without', 'only', 'chance'] as const).map(kind => (
          <li key={kind}>
            <svg width="26" height="8" aria-hidden="true">
              <path class={`curve ${kind}`} d="M0 4H26" />
            </svg>
            {t(curveNames[kind])}
          </li>
        ))}
      </ul>
    </figure>
  );
}

const curveNames = { without: 'curveWithout', only: 'curveOnly', chance: 'curveChance' } as const;
