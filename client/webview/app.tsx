import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import {
  type Comparison,
  type PanelSettings,
  type PanelTarget,
  type Place,
  type SaveFormat,
  type Tab,
  type ToPanel,
  tabs,
} from '../shared/panel.js';
import {
  type ExportFormat,
  isHeadSet,
  type Position,
  type StackInfo,
  type Token,
  type TokensResult,
  type View,
  type ViewChoice,
  withHead,
} from '../shared/protocol.js';
import { axesOf } from './axes.js';
import { copyPicture } from './clipboard.js';
import type { Exporter } from './export.js';
import { Empty, Failure, Loading } from './notice.js';
import { type Mark, type Panel, PanelContext } from './panel-context.js';
import { type Copy, SaveMenu } from './save-menu.js';
import { t } from './strings.js';
import { useTheme } from './theme.js';
import { tokenAt } from './tokens.js';
import { type Transport, TransportContext } from './transport.js';
import { useQuestion } from './use-question.js';
import { ViewTabs } from './view-tabs.js';
import { CompareView } from './views/compare-view.js';
import { CrossView } from './views/cross-view.js';
import { HeadView } from './views/head-view.js';
import { HeatmapView } from './views/heatmap-view.js';
import { ImageView } from './views/image-view.js';
import { ModelView } from './views/model-view.js';
import { NeuronView } from './views/neuron-view.js';
import { PredictionView } from './views/prediction-view.js';
import { RowView } from './views/row-view.js';
import { TrustView } from './views/trust-view.js';

export interface AppProps {
  readonly transport: Transport;
  readonly settings: PanelSettings;
  readonly view: ViewChoice;
  /** Registers the listener for what the host says after `init`. */
  readonly listen: (listener: (event: ToPanel) => void) => void;
  readonly tab: Tab;
  readonly isTableOpen: boolean;
}

const views: Readonly<Record<Tab, () => preact.JSX.Element>> = {
  image: ImageView,
  model: ModelView,
  head: HeadView,
  heatmap: HeatmapView,
  row: RowView,
  neuron: NeuronView,
  cross: CrossView,
  compare: CompareView,
  prediction: PredictionView,
  trust: TrustView,
};

export function App(props: AppProps) {
  const { transport } = props;
  const theme = useTheme();
  const [settings, setSettings] = useState(props.settings);
  const [choice, setChoice] = useState(props.view);
  const [tab, setTab] = useState(props.tab);
  const [target, setTarget] = useState<PanelTarget | null | undefined>(undefined);
  const [generation, setGeneration] = useState(0);
  const [cursor, setCursor] = useState<(Position & { readonly inPair?: boolean }) | null>(null);
  const [pinned, setPinned] = useState<Token | null>(null);
  const [isBusy, setBusy] = useState(false);
  const [comparison, setComparison] = useState<Comparison | null>(null);
  const [isTableOpen, setTableOpen] = useState(props.isTableOpen);

  useEffect(() => {
    props.listen(event => {
      switch (event.type) {
        case 'changed':
          setTarget(event.target);
          setGeneration(now => now + 1);
          break;
        case 'view':
          setChoice(event.view);
          break;
        case 'settings':
          setSettings(event.settings);
          setGeneration(now => now + 1);
          break;
        case 'cursor':
          setCursor(event.position);
          break;
        case 'tab':
          setTab(event.tab);
          break;
        case 'comparison':
          setComparison(event.comparison);
          setGeneration(now => now + 1);
          break;
      }
    });
  }, [props.listen]);

  // Only what the server is to choose needs its word on it; to ask again for each view would cost every view a round.
  const asked = useMemo(
    (): ViewChoice =>
      choice.layer === 'auto' ? { ...choice, ...(tab === 'cross' ? { stack: 'cross' } : {}) } : unresolved,
    [choice, tab],
  );
  const tokens = useQuestion(transport, 'tokens', target ? { view: asked } : null, generation);
  const lastView = useRef(unresolved);
  const view = useMemo(() => {
    lastView.current =
      resolve(choice, tokens.asked?.view === asked ? tokens.value?.view : undefined) ?? lastView.current;
    return lastView.current;
  }, [choice, asked, tokens.value, tokens.asked]);
  useEffect(() => {
    if (!target) return;
    const isGenerating = tokens.value?.generated ?? false;
    const kept = { target, view: choice, tab, isTableOpen, isGenerating };
    transport.api.setState({ ...kept, ...(comparison ? { comparison } : {}) });
  }, [transport, target, choice, tab, isTableOpen, comparison, tokens.value]);
  const offered = useMemo(() => tabsFor(tokens.value), [tokens.value]);
  const shownTab = offered.includes(tab) ? tab : (offered[0] ?? tab);
  const wantedStack = shownTab === 'cross' ? 'cross' : view.stack;
  const axes = useMemo(
    () => axesOf(tokens.value, { layer: 'mean', head: 'mean', ...(wantedStack ? { stack: wantedStack } : {}) }),
    [tokens.value, wantedStack],
  );
  const version = tokens.value?.version ?? null;

  const pinnedIndex = useMemo(() => (pinned && axes ? refind(axes.queries, pinned) : null), [pinned, axes]);
  const atCursor = useMemo(() => (cursor && axes ? tokenAt(axes.queries, cursor) : null), [cursor, axes]);
  const keyAtCursor = useMemo(
    () => (cursor && axes && axes.keys !== axes.queries ? tokenAt(axes.keys, cursor) : null),
    [cursor, axes],
  );

  const pin = useCallback(
    (query: number | null) => setPinned(query === null ? null : (axes?.queries[query] ?? null)),
    [axes],
  );
  const rangesOf = useCallback(
    (mark: Mark | null) => {
      const rangeOf = (tokens: readonly Token[] | undefined, index: number | null | undefined): Place | null => {
        const token = typeof index === 'number' ? tokens?.[index] : undefined;
        return token?.range ? { ...token.range, ...(token.inPair ? { inPair: true } : {}) } : null;
      };
      return { query: rangeOf(axes?.queries, mark?.row), key: rangeOf(axes?.keys, mark?.column) };
    },
    [axes],
  );
  const point = useCallback(
    (mark: Mark | null) => {
      if (version !== null) transport.send({ type: 'mark', version, ...rangesOf(mark) });
    },
    [transport, version, rangesOf],
  );
  const choose = useCallback(
    (mark: Mark) => {
      const { query, key } = rangesOf(mark);
      const range = mark.row === null ? key : query;
      if (range && version !== null) transport.send({ type: 'reveal', version, range });
    },
    [transport, version, rangesOf],
  );
  const changeView = useCallback(
    (next: ViewChoice) => {
      setChoice(next);
      transport.send({ type: 'view', view: next });
    },
    [transport],
  );
  // What can be saved changes with each rendering of a view: a state would render without end.
  const exporter = useRef<Exporter>({});
  const setExporter = useCallback((next: Exporter) => {
    exporter.current = next;
  }, []);
  const [notice, setNotice] = useState('');
  const base = target?.name.replace(/\.[^.]+$/, '') ?? 'attention';
  const withContent = (format: SaveFormat, use: (content: string) => void) => {
    const content = exporter.current[format]?.();
    if (content) use(content);
    else transport.send({ type: 'command', command: 'cannotSave' });
  };
  const save = (format: SaveFormat) =>
    withContent(format, content => transport.send({ type: 'save', format, name: `${base}-${shownTab}`, content }));
  const exportAll = (format: ExportFormat) => transport.send({ type: 'export', format, name: base, view });
  const copy = (what: Copy) => {
    if (what === 'numbers') {
      withContent('csv', text => {
        transport.send({ type: 'copy', text });
        setNotice(t('copied'));
      });
    } else {
      withContent('png', content => {
        copyPicture(content).then(
          () => setNotice(t('copied')),
          () => transport.send({ type: 'command', command: 'cannotCopy' }),
        );
      });
    }
  };
  // Said once; the next thing to say takes its place.
  useEffect(() => {
    if (notice === '') return;
    const timer = window.setTimeout(() => setNotice(''), 3000);
    return () => clearTimeout(timer);
  }, [notice]);
  const retry = () => setGeneration(now => now + 1);

  const body = () => {
    if (target === null) return <Empty />;
    if (tokens.problem && target?.isImage) {
      const remedy = { command: 'selectImageModel', label: t('selectImageModel') } as const;
      return <Failure message={tokens.problem.message} onRetry={retry} remedy={remedy} />;
    }
    if (tokens.problem?.status === 'empty') return <Empty message={tokens.problem.message} />;
    if (tokens.problem) return <Failure message={tokens.problem.message} onRetry={retry} />;
    if (!target || !tokens.value || !axes) return <Loading />;
    const isStale = tokens.isWaiting || isBusy;
    const panel: Panel = {
      transport,
      settings,
      theme,
      generation,
      version,
      model: tokens.value.model,
      ...axes,
      view: fitting(view, axes.stack, tokens.value.stacks.length > 1),
      stacks: tokens.value.stacks,
      isClearest: choice.layer === 'auto',
      setView: changeView,
      setScale: scale => setSettings({ ...settings, scale }),
      query: pinnedIndex ?? atCursor,
      isPinned: pinnedIndex !== null,
      pin,
      point,
      choose,
      open: setTab,
      isTableOpen,
      setTableOpen,
      setBusy,
      setExporter,
      comparison,
      keyAtCursor,
      image: tokens.value.image ?? null,
      isGenerated: tokens.value.generated ?? false,
    };
    const Body = views[shownTab];
    return (
      <PanelContext.Provider value={panel}>
        <div class="panel" data-stale={isStale} data-version={version} aria-busy={isStale}>
          <ViewTabs tabs={offered} shown={shownTab} onOpen={setTab}>
            <span class="spacer" aria-live="polite">
              {isStale ? t('updating') : notice}
            </span>
            <SaveMenu onSave={save} onExport={exportAll} onCopy={copy} />
          </ViewTabs>
          {tokens.value.status === 'truncated' && (
            <p class="banner" role="status">
              {tokens.value.message ?? t('truncated', axes.queries.length)}
            </p>
          )}
          <div class="view" role="tabpanel" id="view" aria-labelledby={`tab-${shownTab}`}>
            <Body />
          </div>
        </div>
      </PanelContext.Provider>
    );
  };
  return <TransportContext.Provider value={transport}>{body()}</TransportContext.Provider>;
}

/** An image has no words, and only an encoder-decoder looks from one text into another. */
function tabsFor(result: TokensResult | null): readonly Tab[] {
  if (result?.image) return ['image', 'model', 'heatmap'];
  const isEncoderDecoder = result?.model.kind === 'encoderDecoder';
  return tabs.filter(name => name !== 'image' && (name !== 'cross' || isEncoderDecoder));
}

/** The view as the stack has it: another stack, or another model, may have fewer layers and heads. */
function fitting(view: View, { kind, layers, heads }: StackInfo, isOneOfSeveral: boolean): View {
  const isThere = view.heads === undefined || isHeadSet(view.heads, layers, heads);
  return {
    ...(isThere ? view : withHead(view, view)),
    ...(isOneOfSeveral ? { stack: kind } : {}),
    layer: view.layer === 'mean' || view.layer < layers ? view.layer : 'mean',
    head: view.head === 'mean' || view.head < heads ? view.head : 'mean',
  };
}

/** Stands for every view that needs no resolving. */
const unresolved: View = { layer: 'mean', head: 'mean' };

/** The view that is drawn: the choice itself, or what the server made of it; null until that is known. */
function resolve(choice: ViewChoice, made: View | undefined): View | null {
  if (choice.layer !== 'auto') return { ...choice, layer: choice.layer };
  return made ? { ...choice, layer: made.layer, head: made.head } : null;
}

/** A pinned token after an edit: the nearest one with the same text. */
function refind(tokens: readonly Token[], pinned: Token): number | null {
  let best: number | null = null;
  for (const { text, index } of tokens) {
    if (text !== pinned.text) continue;
    if (best === null || Math.abs(index - pinned.index) < Math.abs(best - pinned.index)) best = index;
  }
  return best;
}
