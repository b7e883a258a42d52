import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { PanelSettings, PanelTarget, ToPanel } from '../shared/panel.js';
import type { Position, Range, Token, View } from '../shared/protocol.js';
import { type Cell, Heatmap } from './heatmap.js';
import { KeyTable } from './key-table.js';
import { Legend } from './legend.js';
import { type Tile, tileRequest, toTile, type Window } from './matrix.js';
import { Notice } from './notice.js';
import { t } from './strings.js';
import { useTheme } from './theme.js';
import { tokenAt } from './tokens.js';
import { Toolbar } from './toolbar.js';
import type { Transport } from './transport.js';
import { useQuestion } from './use-question.js';

export interface AppProps {
  readonly transport: Transport;
  readonly settings: PanelSettings;
  readonly view: View;
  /** Registers the listener for what the host says after `init`. */
  readonly listen: (listener: (event: ToPanel) => void) => void;
}

/** The pointer rests this long before exact numbers are asked for (ms). */
const rowDelay = 80;

export function App(props: AppProps) {
  const { transport } = props;
  const theme = useTheme();
  const [settings, setSettings] = useState(props.settings);
  const [view, setView] = useState(props.view);
  const [target, setTarget] = useState<PanelTarget | null | undefined>(undefined);
  const [generation, setGeneration] = useState(0);
  const [cursor, setCursor] = useState<Position | null>(null);
  const [window_, setWindow] = useState<Window | null>(null);
  const [pointed, setPointed] = useState<Cell | null>(null);
  const [isTableOpen, setTableOpen] = useState(false);

  useEffect(() => {
    props.listen(event => {
      switch (event.type) {
        case 'changed':
          setTarget(event.target);
          setGeneration(now => now + 1);
          break;
        case 'view':
          setView(event.view);
          break;
        case 'settings':
          setSettings(event.settings);
          setGeneration(now => now + 1);
          break;
        case 'cursor':
          setCursor(event.position);
          break;
      }
    });
  }, [props.listen]);

  useEffect(() => {
    if (target) transport.api.setState({ target, view });
  }, [transport, target, view]);

  const tokens = useQuestion(transport, 'tokens', target ? {} : null, generation);
  const list = tokens.value?.tokens ?? noTokens;
  const version = tokens.value?.version ?? 0;
  const size = useMemo(() => ({ rows: list.length, columns: list.length }), [list.length]);

  const wanted = useMemo(() => {
    if (size.rows === 0) return null;
    return tileRequest(size, window_ ?? { rows: [0, size.rows], columns: [0, size.columns] });
  }, [size, window_]);
  const tileAnswer = useQuestion(
    transport,
    'tile',
    wanted && { view, rows: wanted.rows, columns: wanted.columns, size: wanted.size, pooling: 'max', exact: true },
    generation,
  );
  // Which window a tile belongs to is known when it is asked for, not from the answer.
  const asked = useRef(wanted);
  asked.current = wanted;
  const tile = useMemo((): Tile | null => {
    const { value } = tileAnswer;
    return value && asked.current && value.version === tokens.value?.version ? toTile(asked.current, value) : null;
  }, [tileAnswer.value, tokens.value]);
  const lastTile = useRef<Tile | null>(null);
  if (tile) lastTile.current = tile;
  if (tokens.problem || !target) lastTile.current = null;

  const query = useMemo(() => (cursor ? tokenAt(list, cursor) : null), [cursor, list]);

  const [rowAsked, setRowAsked] = useState<number | null>(null);
  const rowWanted = isTableOpen ? (pointed?.row ?? query ?? 0) : (pointed?.row ?? null);
  useEffect(() => {
    const timer = window.setTimeout(() => setRowAsked(rowWanted), rowDelay);
    return () => clearTimeout(timer);
  }, [rowWanted]);
  const row = useQuestion(
    transport,
    'row',
    rowAsked === null || rowAsked >= list.length ? null : { view, query: rowAsked },
    generation,
  );
  const exactRow = useMemo(
    () =>
      row.value && rowAsked !== null && !row.isWaiting
        ? { query: rowAsked, weights: new Float32Array(row.value.weights) }
        : null,
    [row, rowAsked],
  );

  const rangeOf = useCallback((index: number): Range | null => list[index]?.range ?? null, [list]);
  const onPoint = useCallback(
    (cell: Cell | null) => {
      setPointed(cell);
      transport.send({
        type: 'mark',
        version,
        query: cell && rangeOf(cell.row),
        key: cell && rangeOf(cell.column),
      });
    },
    [transport, version, rangeOf],
  );
  const onChoose = useCallback(
    (cell: Cell) => {
      const range = rangeOf(cell.row);
      if (range) transport.send({ type: 'reveal', version, range });
    },
    [transport, version, rangeOf],
  );
  const changeView = useCallback(
    (next: View) => {
      setView(next);
      transport.send({ type: 'view', view: next });
    },
    [transport],
  );

  const problem = tokens.problem ?? tileAnswer.problem;
  const drawn = tile ?? lastTile.current;
  const isStale = drawn !== null && (tokens.isWaiting || tileAnswer.isWaiting);

  if (target === null) return <Notice kind="empty" transport={transport} />;
  if (problem) {
    return problem.status === 'empty' ? (
      <Notice kind="empty" message={problem.message} transport={transport} />
    ) : (
      <Notice
        kind="failed"
        message={problem.message}
        transport={transport}
        onRetry={() => setGeneration(now => now + 1)}
      />
    );
  }
  if (!target || !tokens.value || !drawn) return <Notice kind="loading" transport={transport} />;

  return (
    <div class="panel" data-stale={isStale} data-version={version} aria-busy={isStale}>
      <Toolbar
        model={tokens.value.model}
        stacks={tokens.value.stacks}
        view={view}
        settings={settings}
        isTableOpen={isTableOpen}
        onView={changeView}
        onSettings={setSettings}
        onTable={() => setTableOpen(open => !open)}
      />
      {tokens.value.status === 'truncated' && (
        <p class="banner" role="status">
          {tokens.value.message ?? t('truncated', list.length)}
        </p>
      )}
      <div class="content">
        <Heatmap
          queries={list}
          keys={list}
          tile={drawn}
          exactRow={exactRow}
          settings={settings}
          theme={theme}
          query={query}
          onVisible={setWindow}
          onPoint={onPoint}
          onChoose={onChoose}
        />
        {isTableOpen && exactRow && (
          <KeyTable query={exactRow.query} tokens={list} weights={exactRow.weights} onPoint={onPoint} />
        )}
      </div>
      <footer>
        <span>{`${tokens.value.model.name} · ${target.name}`}</span>
        <span class="updating" aria-live="polite">
          {isStale ? t('updating') : ''}
        </span>
        <Legend settings={settings} theme={theme} max={drawn.max} />
      </footer>
    </div>
  );
}

const noTokens: readonly Token[] = [];
