import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { DataTable } from '../data-table.js';
import { csv } from '../export.js';
import { Footer } from '../footer.js';
import { strongest } from '../lines.js';
import { Hint, Loading, NoPicture } from '../notice.js';
import { usePanel } from '../panel-context.js';
import { Select } from '../select.js';
import { formatWeight, t } from '../strings.js';
import { type ColumnLine, describeFocus, type Focus, TokenColumns } from '../token-columns.js';
import { type Link, type LinkRule, linksOf, type Weights, writtenRows } from '../token-links.js';
import { toLabel } from '../tokens.js';
import { Toolbar } from '../toolbar.js';
import { useQuestion } from '../use-question.js';
import { viewLabel } from '../view-label.js';
import { nameOf } from './key-table.js';

/** Beyond this many weights one byte each has to do: they are for lines, whose widths show no more. */
const exactLimit = 1 << 22;
/** The share of a token's attention that its lines carry when it is in focus. */
const focusShare = 0.8;

/** Whether a target token stands for the step that read it, or for the one that wrote it. */
type Step = 'read' | 'written';

/** Source and target of an encoder-decoder side by side, and which tokens belong together. */
export function CrossView() {
  const { stack } = usePanel();
  return stack.kind === 'cross' ? <Alignment /> : <NoTarget />;
}

function NoTarget() {
  const { transport } = usePanel();
  return (
    <Hint message={t('noTarget')}>
      <button type="button" onClick={() => transport.send({ type: 'generate', isOn: true })}>
        {t('writeTarget')}
      </button>
    </Hint>
  );
}

function Alignment() {
  const panel = usePanel();
  const { transport, generation, version, queries, keys, view, theme, query, keyAtCursor } = panel;
  const { point, choose, setBusy, isGenerated, isTableOpen } = panel;
  const [rule, setRule] = useState<LinkRule>('strongest');
  const [step, setStep] = useState<Step>('read');
  const [looked, setLooked] = useState<Focus | null>(null);

  const isExact = queries.length * keys.length <= exactLimit;
  const answer = useQuestion(
    transport,
    'tile',
    {
      view,
      rows: [0, queries.length],
      columns: [0, keys.length],
      size: [queries.length, keys.length],
      pooling: 'max',
      exact: isExact,
    },
    generation,
  );
  useEffect(() => setBusy(answer.isWaiting), [answer.isWaiting, setBusy]);
  const weights = useMemo((): Weights | null => {
    const { value, asked } = answer;
    if (!value || !asked || value.version !== version) return null;
    const [rows, columns] = value.shape;
    if (rows !== queries.length || columns !== keys.length) return null;
    const values = asked.exact
      ? new Float32Array(value.data)
      : Float32Array.from(new Uint8Array(value.data), byte => (byte / 255) * value.max);
    const read: Weights = { queries: rows, keys: columns, values };
    return step === 'read' ? read : writtenRows(read);
  }, [answer.value, answer.asked, version, queries.length, keys.length, step]);
  const last = useRef<Weights | null>(null);
  if (weights) last.current = weights;
  const drawn = weights ?? (last.current?.queries === queries.length ? last.current : null);

  const links = useMemo(
    () =>
      drawn
        ? linksOf(
            drawn,
            rule,
            index => queries[index]?.special === false,
            index => keys[index]?.special === false,
          )
        : [],
    [drawn, rule, queries, keys],
  );
  const labels = useMemo(() => ({ key: keys.map(toLabel), query: queries.map(toLabel) }), [keys, queries]);
  // Another text has other tokens under the same numbers.
  useEffect(() => setLooked(null), [labels]);
  const atCursor = useMemo((): Focus | null => {
    if (query !== null) return { side: 'query', index: query };
    return keyAtCursor === null ? null : { side: 'key', index: keyAtCursor };
  }, [query, keyAtCursor]);

  if (answer.problem) return <NoPicture problem={answer.problem} />;
  if (!drawn) return <Loading />;
  const focus = looked ?? atCursor;
  const ofFocus = focus ? weightsOf(drawn, focus) : new Float32Array();
  const lines: ColumnLine[] = links.map(link => ({ ...link, color: theme.foreground, isFaint: focus !== null }));
  if (focus) {
    for (const other of strongest(ofFocus, focusShare).indices) {
      const [query, key] = focus.side === 'query' ? [focus.index, other] : [other, focus.index];
      lines.push({ query, key, weight: ofFocus[other] ?? 0, color: theme.query });
    }
  }
  /** A token and the one that it is linked to, to be marked in the editors. */
  const markOf = ({ side, index }: Focus) => {
    const linked = links.filter(link => link[side] === index).sort((a, b) => b.weight - a.weight)[0];
    return side === 'query'
      ? { row: index, column: linked?.key ?? null }
      : { row: linked?.query ?? null, column: index };
  };
  return (
    <>
      <Toolbar picks={['layer', 'head']} hasStack={false}>
        <Select
          label={t('linkRule')}
          value={rule}
          options={[
            ['strongest', t('linkStrongest')],
            ['mutual', t('linkMutual')],
          ]}
          onChange={setRule}
        />
        <Select
          label={t('linkStep')}
          value={step}
          options={[
            ['read', t('stepRead')],
            ['written', t('stepWritten')],
          ]}
          onChange={setStep}
        />
        {isGenerated && (
          <button type="button" class="link" onClick={() => transport.send({ type: 'generate', isOn: false })}>
            {t('dropTarget')}
          </button>
        )}
      </Toolbar>
      <div class="content">
        <TokenColumns
          name={t('alignmentName')}
          sides={['key', 'query']}
          titles={{ key: t('source'), query: isGenerated ? t('targetWritten') : t('target') }}
          labels={labels}
          lines={lines}
          focused={focus ? [focus] : []}
          weights={ofFocus}
          atCursor={atCursor}
          isWhole
          csv={() =>
            csv([
              ['target', 'target_token', 'source', 'source_token', 'weight'],
              ...links.map(({ query, key, weight }) => [
                ...[query, queries[query]?.text ?? '', key, keys[key]?.text ?? ''],
                Number(weight.toPrecision(7)),
              ]),
            ])
          }
          describe={at => describeFocus(at, labels, weightsOf(drawn, at))}
          onLook={at => {
            setLooked(at);
            point(at && markOf(at));
          }}
          onChoose={({ side, index }) =>
            choose(side === 'query' ? { row: index, column: null } : { row: null, column: index })
          }
        />
        {isTableOpen && (
          <DataTable
            caption={t('alignmentName')}
            rows={links}
            keyOf={({ query }) => query}
            sortedBy={0}
            columns={[
              {
                label: t('target'),
                value: ({ query }) => query,
                isAscending: true,
                isHeading: true,
                cell: ({ query }) => nameOf(queries, query),
              },
              { label: t('source'), value: ({ key }) => nameOf(keys, key) },
              { label: t('weight'), value: ({ weight }) => weight, cell: ({ weight }) => formatWeight(weight) },
            ]}
            onPoint={link => point(link && { row: link.query, column: link.key })}
            onChoose={({ query, key }) => choose({ row: query, column: key })}
          />
        )}
      </div>
      <div class="readout" data-testid="readout">
        {focus
          ? describeFocus(focus, labels, ofFocus)
          : links.length === 1
            ? t('linkDrawn', mean(links))
            : t('linksDrawn', links.length, mean(links))}
      </div>
      <Footer label={viewLabel(view)} />
    </>
  );
}

const mean = (links: readonly Link[]): string =>
  formatWeight(links.reduce((sum, { weight }) => sum + weight, 0) / Math.max(1, links.length));

/** The weights between a token and all of the other text: a row for a target token, a column for a source token. */
function weightsOf({ queries, keys, values }: Weights, { side, index }: Focus): Float32Array {
  return side === 'query'
    ? Float32Array.from({ length: keys }, (_, key) => values[index * keys + key] ?? 0)
    : Float32Array.from({ length: queries }, (_, query) => values[query * keys + index] ?? 0);
}
