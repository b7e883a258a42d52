// The extension host of a panel, as a function that runs inside the test page. It must not refer to anything outside
// itself: it is sent to the browser as text.
import type { Comparison, FromPanel, Tab, ToPanel } from '../../../client/shared/panel.js';
import type { HeadProfile, ImageInfo, StackInfo, Token, View, ViewChoice } from '../../../client/shared/protocol.js';

export interface Scenario {
  readonly words: readonly string[];
  readonly layers: number;
  readonly heads: number;
  readonly kind?: 'encoder' | 'decoder' | 'encoderDecoder' | 'vision';
  /** What the host does with questions. */
  readonly answers?: 'normal' | 'never' | 'failed' | 'nothing-shown' | 'truncated';
  readonly state?: unknown;
  /** How the page's WebGL is drawn, whatever this machine has; none: a VS Code whose graphics card is blocked. */
  readonly webgl?: 'card' | 'software' | 'none';
  /** The view that the panel opens with. */
  readonly tab?: Tab;
  readonly view?: ViewChoice;
  readonly strings?: Record<string, string>;
  /** The decoder's text of an encoder-decoder, which stands in another document or below the source. */
  readonly target?: { readonly words: readonly string[]; readonly in: 'document' | 'pair' | 'model' };
  /** The tokens are the patches of this image; `words` is then empty. */
  readonly image?: ImageInfo;
  /** What the text is compared with, and its words, as many layers and heads as the model has. */
  readonly other?: { readonly comparison: Comparison; readonly words: readonly string[]; readonly problem?: string };
  /** A model that predicts nothing for this text; or questions that take hundreds of passes are never answered. */
  readonly evaluation?: 'nothing' | 'slow';
}

export interface FakeHost {
  readonly sent: FromPanel[];
  readonly words: readonly string[];
  /** Bytes of matrices sent to the panel. */
  bytes: number;
  readonly post: (message: ToPanel) => void;
  weight(layer: number | 'mean', head: number | 'mean', query: number, key: number): number;
  /** Of the cross-attention from the target to the source. */
  crossWeight(layer: number | 'mean', head: number | 'mean', query: number, key: number): number;
  otherWeight(layer: number | 'mean', head: number | 'mean', query: number, key: number): number;
}

declare global {
  interface Window {
    axe: { run(): Promise<{ violations: { id: string; impact?: string | null; nodes: { html: string }[] }[] }> };
    fakeHost: FakeHost;
    acquireVsCodeApi: () => { getState(): unknown };
  }
}

export function installFakeHost(scenario: Scenario): void {
  if (scenario.webgl) {
    const getContext = HTMLCanvasElement.prototype.getContext;
    Object.defineProperty(HTMLCanvasElement.prototype, 'getContext', {
      value(this: HTMLCanvasElement, kind: string, options?: WebGLContextAttributes) {
        if (kind !== 'webgl2') return Reflect.apply(getContext, this, [kind, options]);
        if (scenario.webgl === 'none') return null;
        const { failIfMajorPerformanceCaveat, ...rest } = options ?? {};
        const isRefused = scenario.webgl === 'software' && failIfMajorPerformanceCaveat;
        return isRefused ? null : Reflect.apply(getContext, this, [kind, rest]);
      },
    });
  }
  const isCausal = scenario.kind === 'decoder';
  const { image } = scenario;
  const patches = image
    ? Array.from(
        { length: image.rows * image.columns },
        (_, i) => `${Math.floor(i / image.columns)},${i % image.columns}`,
      )
    : [];
  const textOf = (inner: readonly string[], place: { line: number; inPair?: true } | null = { line: 0 }) => {
    const words = image ? ['[CLS]', ...patches] : ['[CLS]', ...inner, '[SEP]'];
    const count = words.length;
    let column = 0;
    const tokens: Token[] = words.map((text, index) => {
      const special = index === 0 || (!image && index === count - 1);
      const start = column;
      if (!special) column += text.replace('##', '').length + (words[index + 1]?.startsWith('##') ? 0 : 1);
      const end = start + text.replace('##', '').length;
      const isPlaced = place && !special && !image;
      const [from, to] = [start, end].map(character => ({ line: place?.line ?? 0, character }));
      const range = isPlaced && from && to ? { start: from, end: to } : null;
      const inPair = isPlaced && place.inPair ? { inPair: true } : {};
      return { index, id: 1000 + index, text, range, special, typeId: 0, ...inPair };
    });

    // Head kinds that real models have: previous token, next, itself, first token, separator, same word, broad.
    const score = (layer: number, head: number, query: number, key: number): number => {
      const noise =
        Math.sin(12.9898 * (query + 1) + 78.233 * (key + 1) + 37.719 * (layer + 1) + 4.581 * (head + 1)) * 43758.5453;
      const random = noise - Math.floor(noise);
      switch ((layer * 5 + head) % 7) {
        case 0:
          return (key === query - 1 ? 5 : 0) + random;
        case 1:
          return (key === query + 1 ? 4 : 0) + random;
        case 2:
          return (key === query ? 3.5 : 0) + random;
        case 3:
          return (key === 0 ? 6 : 0) + random;
        case 4:
          return (key === count - 1 ? 5 : 0) + 1.5 * random;
        case 5:
          return (words[key] === words[query] ? 4 : 0) + 2 * random;
        default:
          return 3 * random - Math.abs(query - key) / 40;
      }
    };
    const rowOfHead = (layer: number, head: number, query: number): Float32Array => {
      const row = new Float32Array(count);
      let sum = 0;
      for (let key = 0; key < count; key++) {
        row[key] = isCausal && key > query ? 0 : Math.exp(score(layer, head, query, key));
        sum += row[key] ?? 0;
      }
      return row.map(value => value / sum);
    };
    const picked = (pick: number | 'mean', all: number) =>
      pick === 'mean' ? Array.from({ length: all }, (_, index) => index) : [pick];
    const cache = new Map<string, Float32Array>();
    const rowOf = (view: View, query: number): Float32Array => {
      const key = `${view.layer}/${view.head}/${query}`;
      const known = cache.get(key);
      if (known) return known;
      const sum = new Float32Array(count);
      let heads = 0;
      for (const layer of picked(view.layer, scenario.layers)) {
        for (const head of picked(view.head, scenario.heads)) {
          heads++;
          rowOfHead(layer, head, query).forEach((value, index) => {
            sum[index] = (sum[index] ?? 0) + value;
          });
        }
      }
      const row = sum.map(value => value / heads);
      cache.set(key, row);
      return row;
    };

    return { words, tokens, count, score, rowOf };
  };
  const clearest = { layer: 1, head: 2 };
  const kind = scenario.kind ?? 'encoder';
  const own = textOf(scenario.words);
  const compared = scenario.other ? textOf(scenario.other.words) : own;
  type Text = typeof own;

  // A translation that keeps the order of the words, and looks at the end of the source where it has nothing to look at.
  const isWritten = scenario.target?.in === 'model';
  let isGenerating = false;
  const written = textOf(
    scenario.target?.words ?? [],
    scenario.target?.in === 'pair' ? { line: 0, inPair: true } : isWritten ? null : { line: 1 },
  );
  const crossRow = (view: View, query: number): Float32Array => {
    const wanted = (query / Math.max(1, written.count - 1)) * (own.count - 1);
    const head = view.head === 'mean' ? 0 : view.head;
    const row = Float32Array.from({ length: own.count }, (_, key) => {
      const noise = Math.sin(12.9898 * (query + 1) + 78.233 * (key + 1) + 3.1 * head) * 43758.5453;
      return Math.exp(
        4 * Math.exp(-((key - wanted) ** 2)) + noise - Math.floor(noise) + (key === own.count - 1 ? 1 : 0),
      );
    });
    const sum = row.reduce((a, b) => a + b, 0);
    return row.map(value => value / sum);
  };
  const cross: Text = { ...own, rowOf: crossRow };
  const hasTarget = () => scenario.target !== undefined && (!isWritten || isGenerating);
  // A blob of attention that each head puts elsewhere, for a class token; around itself for a patch.
  const imageRow = (view: View, query: number): Float32Array => {
    const { rows, columns } = image ?? { rows: 1, columns: 1 };
    const spread = 1.5 + (view.layer === 'mean' ? 1 : view.layer / 2);
    const turn = view.head === 'mean' ? 0 : view.head + (view.layer === 'mean' ? 0 : view.layer);
    const [y, x] =
      query === 0
        ? [rows / 2 + Math.sin(turn) * (rows / 4), columns / 2 + Math.cos(turn) * (columns / 4)]
        : [Math.floor((query - 1) / columns), (query - 1) % columns];
    const row = Float32Array.from({ length: own.count }, (_, key) => {
      if (key === 0) return 0.3;
      const [r, c] = [Math.floor((key - 1) / columns), (key - 1) % columns];
      return Math.exp(-((r - y) ** 2 + (c - x) ** 2) / spread ** 2);
    });
    const sum = row.reduce((a, b) => a + b, 0);
    return row.map(value => value / sum);
  };
  const patchText: Text = { ...own, rowOf: imageRow };
  const target = {
    uri: `file:///corpus/sample.${image ? 'jpg' : 'txt'}`,
    name: `sample.${image ? 'jpg' : 'txt'}`,
    range: { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } },
    ...(image ? { isImage: true } : {}),
  };
  const host: FakeHost = {
    sent: [],
    words: own.words,
    bytes: 0,
    post: message => window.postMessage(message, '*'),
    weight: (layer, head, query, key) => (image ? patchText : own).rowOf({ layer, head }, query)[key] ?? 0,
    crossWeight: (layer, head, query, key) => crossRow({ layer, head }, query)[key] ?? 0,
    otherWeight: (layer, head, query, key) => compared.rowOf({ layer, head }, query)[key] ?? 0,
  };
  window.fakeHost = host;

  const block = (
    { rowOf }: Text,
    view: View,
    rows: readonly number[],
    columns: readonly number[],
    size: readonly number[],
  ) => {
    const [r0 = 0, r1 = 0] = rows;
    const [c0 = 0, c1 = 0] = columns;
    const [height = 1, width = 1] = size;
    const values = new Float32Array(height * width);
    for (let query = r0; query < r1; query++) {
      const row = rowOf(view, query);
      const y = Math.floor(((query - r0) * height) / (r1 - r0));
      for (let key = c0; key < c1; key++) {
        const x = Math.floor(((key - c0) * width) / (c1 - c0));
        values[y * width + x] = Math.max(values[y * width + x] ?? 0, row[key] ?? 0);
      }
    }
    return values;
  };

  const profileOf = ({ rowOf, count, words }: Text, view: View): HeadProfile => {
    const sums = { entropy: 0, max: 0, meanDistance: 0, first: 0, separators: 0, previous: 0, next: 0, same: 0 };
    for (let query = 0; query < count; query++) {
      const row = rowOf(view, query);
      row.forEach((weight, key) => {
        sums.entropy -= weight > 0 ? weight * Math.log(weight) : 0;
        sums.max = Math.max(sums.max, weight);
        sums.meanDistance += weight * Math.abs(query - key);
        if (key === 0) sums.first += weight;
        if (key === count - 1) sums.separators += weight;
        if (key === query - 1) sums.previous += weight;
        if (key === query + 1) sums.next += weight;
        if (words[key] === words[query]) sums.same += weight;
      });
    }
    const mean = (sum: number) => sum / count;
    return {
      entropy: mean(sums.entropy),
      normalizedEntropy: mean(sums.entropy) / Math.log(count),
      max: sums.max,
      meanDistance: mean(sums.meanDistance),
      first: mean(sums.first),
      separators: mean(sums.separators),
      previous: mean(sums.previous),
      next: mean(sums.next),
      same: mean(sums.same),
    };
  };

  const stacksOf = ({ count }: Text): StackInfo[] => {
    const { layers, heads } = scenario;
    const stack = (stackKind: StackInfo['kind'], queries: number, keys: number): StackInfo => ({
      ...{ kind: stackKind, layers, heads, queries, keys },
    });
    if (kind !== 'encoderDecoder') return [stack(kind, count, count)];
    const target = written.count;
    const both = [stack('decoder', target, target), stack('cross', target, count)];
    return [stack('encoder', count, count), ...(hasTarget() ? both : [])];
  };

  // biome-ignore lint/suspicious/noExplicitAny: the questions are checked by the panel's own types
  const answer = (method: string, params: any): unknown => {
    const isOther = params.side === 'other';
    const stackText = params.view?.stack === 'cross' ? cross : image ? patchText : own;
    const text = isOther ? compared : stackText;
    const { tokens, count, score, rowOf } = text;
    const base = { version: isOther ? 7 : 1, status: 'ok' };
    if (isOther && scenario.other?.problem) return { version: 7, status: 'failed', message: scenario.other.problem };
    if (scenario.answers === 'failed') {
      return { version: 1, status: 'failed', message: 'The model folder has no file model.safetensors.' };
    }
    switch (method) {
      case 'tokens':
        return {
          ...base,
          ...(scenario.answers === 'truncated'
            ? { status: 'truncated', message: 'The model reads 512 tokens; the rest of the text is not shown.' }
            : {}),
          range: target.range,
          model: {
            name: 'mini-encoder',
            modelType: 'bert',
            kind,
            layers: scenario.layers,
            heads: scenario.heads,
            maxPositions: 512,
          },
          tokens,
          ...(image ? { image } : {}),
          ...(hasTarget() ? { targetTokens: written.tokens } : {}),
          ...(hasTarget() && isWritten ? { generated: true } : {}),
          stacks: stacksOf(text),
          view: params.view?.layer === 'auto' ? { ...params.view, ...clearest } : params.view,
        };
      case 'rows': {
        const { layers, heads } = scenario;
        const data = new Float32Array(layers * heads * count);
        for (let i = 0; i < layers * heads; i++) {
          data.set(rowOf({ layer: Math.floor(i / heads), head: i % heads }, params.query), i * count);
        }
        return { ...base, data: data.buffer, shape: [layers, heads, count] };
      }
      case 'picture':
        return paintPicture().then(data => ({ version: null, status: 'ok', data, type: 'image/png' }));
      case 'row':
        return { ...base, weights: rowOf(params.view, params.query).slice().buffer };
      case 'tile': {
        const values = block(text, params.view, params.rows, params.columns, params.size);
        return { ...base, data: values.buffer, shape: params.size, max: values.reduce((a, b) => Math.max(a, b), 0) };
      }
      case 'score': {
        // Two components suffice: their scaled product is the score that the row's softmax starts from.
        const { view, query, key } = params;
        const wanted = score(view.layer, view.head, query, key);
        const row = Array.from({ length: count }, (_, other) => score(view.layer, view.head, query, other));
        const logSumExp = Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
        return {
          ...base,
          queryVector: Float32Array.of(2, -1, 0.5, 0).buffer,
          keyVector: Float32Array.of(wanted, 1, 2, 3).buffer,
          scale: 0.5,
          score: wanted,
          logSumExp,
          weight: Math.exp(wanted - logSumExp),
          isMasked: false,
        };
      }
      case 'prediction': {
        // A masked language model without a token to ask about.
        if (params.token === undefined) {
          return { version: 1, status: 'failed', message: 'Which token is to be predicted? Put the cursor on one.' };
        }
        const isChanged = params.view?.changes !== undefined;
        const ranked = (list: readonly (readonly [string, number])[]) =>
          list.map(([text, probability], rank) => ({
            id: text.length * 31 + text.charCodeAt(0),
            text: ` ${text}`,
            logit: Math.log(probability),
            probability,
            rank,
          }));
        const before = ranked([
          ['suitcase', 0.52],
          ['box', 0.21],
          [own.words[params.token]?.replace('##', '') ?? '', 0.08],
          ['bag', 0.004],
          ['extraordinarily', 0.00001],
        ]);
        const after = ranked([
          ['box', 0.4],
          ['suitcase', 0.31],
        ]);
        const candidates = isChanged ? after : before;
        return {
          ...base,
          kind: 'masked',
          about: `what stands in place of “${own.words[params.token]}”`,
          token: params.token,
          candidates,
          actual: before[2],
          entropy: 1.9,
          layers: Array.from({ length: scenario.layers + 1 }, (_, state) => ({
            state,
            candidates: state < 2 ? ranked([['the', 0.1]]) : candidates.slice(0, 3),
            rank: state < 2 ? 412 - state : 0,
            probability: state < 2 ? 0.0001 : (candidates[0]?.probability ?? 0),
          })),
          ...(isChanged ? { before } : {}),
        };
      }
      case 'overview': {
        const { size } = params;
        const { layers, heads } = scenario;
        const data = new Uint8Array(layers * heads * size * size);
        const maxima = Array.from({ length: layers }, (): number[] => []);
        const profiles = Array.from({ length: layers }, (_, layer) =>
          Array.from({ length: heads }, (_, head) => {
            const values = block(text, { layer, head }, [0, count], [0, count], [size, size]);
            const max = values.reduce((a, b) => Math.max(a, b), 0);
            data.set(
              values.map(value => (max > 0 ? Math.round((value / max) * 255) : 0)),
              (layer * heads + head) * size * size,
            );
            maxima[layer]?.push(max);
            return profileOf(text, { layer, head });
          }),
        );
        return { ...base, data: data.buffer, shape: [layers, heads, size, size], maxima, stack: kind, profiles };
      }
      case 'heads': {
        const { layers, heads } = scenario;
        const each = <T>(make: (layer: number, head: number) => T) =>
          Array.from({ length: layers }, (_, layer) => Array.from({ length: heads }, (_, head) => make(layer, head)));
        const row = (layer: number, head: number, query: number) => rowOf({ layer, head }, query);
        const alike = (layer: number, head: number, [l, h]: readonly [number, number]) => {
          let sum = 0;
          for (let query = 0; query < count; query++) {
            const other = row(l, h, query);
            row(layer, head, query).forEach((weight, key) => {
              sum += Math.min(weight, other[key] ?? 0);
            });
          }
          return sum / count;
        };
        return {
          ...base,
          stack: kind,
          // One head in eleven continues what it has seen; no other does.
          traits: each((layer, head) => ({
            induction: (layer * 8 + head) % 11 === 4 ? 0.9 - layer / 100 : 0.01 * head,
            duplicate: 0.02 * layer,
            stability: 0.5 + head / 100,
          })),
          ...(params.like ? { likeness: each((layer, head) => alike(layer, head, params.like)) } : {}),
        };
      }
      case 'evaluation': {
        const { view, query, measures, rationale } = params;
        const items = tokens.filter(({ special, index }) => !special && index !== query).map(({ index }) => index);
        const row = rowOf(view, query ?? 0);
        const metric = (
          family: string,
          better: string,
          name: string,
          value: number,
          chance?: number,
          beaten?: number,
        ) => ({
          name,
          family,
          better,
          value,
          ...(chance === undefined ? {} : { chance }),
          ...(beaten === undefined ? {} : { beaten, draws: 5 }),
        });
        const clarity = [
          metric('clarity', 'none', 'entropy', 0.62, 1),
          metric('clarity', 'none', 'gini', 0.71, 0),
          metric('clarity', 'none', 'effectiveTokens', 6.4, items.length),
        ];
        const faithfulness = [
          metric('faithfulness', 'higher', 'comprehensiveness', 0.41, 0.18, 5),
          metric('faithfulness', 'lower', 'sufficiency', 0.12, 0.33, 4),
          metric('faithfulness', 'lower', 'deletion', 0.2, 0.35, 5),
          metric('faithfulness', 'higher', 'insertion', 0.47, 0.36, 5),
          metric('faithfulness', 'higher', 'kendall', -0.08, 0, 1),
          metric('faithfulness', 'higher', 'spearman', 0.29, 0, 5),
        ];
        const plausibility = [
          metric('plausibility', 'higher', 'auprc', 0.5, 0.1, 5),
          metric('plausibility', 'higher', 'tokenF1', (rationale ?? []).length / items.length, 0.1, 2.5),
          metric('plausibility', 'higher', 'spanF1', 0, 0.05, 2),
        ];
        const shares = Array.from({ length: 11 }, (_, index) => index / 10);
        return {
          ...base,
          ...(scenario.evaluation === 'nothing'
            ? {
                problems: [
                  'Which token is to be predicted? Put the cursor on one, or write the mask token into the text.',
                ],
              }
            : { output: '“driver” for the masked token 5', probability: 0.62, isMasked: true }),
          items,
          scores: items.map((index, place) => (place === 2 ? -1 : 1) * (row[index] ?? 0)),
          metrics: [
            ...(measures.includes('clarity') ? clarity : []),
            ...(measures.includes('plausibility') && rationale?.length ? plausibility : []),
            ...(measures.includes('faithfulness') ? faithfulness : []),
            ...(measures.includes('robustness') ? [metric('robustness', 'higher', 'robustness', 0.84, 0)] : []),
          ],
          ...(measures.includes('faithfulness')
            ? {
                curve: {
                  shares,
                  without: shares.map(share => 0.62 * (1 - share) ** 3),
                  only: shares.map(share => 0.62 * (1 - (1 - share) ** 3)),
                  chanceWithout: shares.map(share => 0.62 * (1 - share)),
                  chanceOnly: shares.map(share => 0.62 * share),
                },
              }
            : {}),
        };
      }
      default:
        return { version: 1, status: 'failed', message: `no ${method} here` };
    }
  };

  /** A sun over a hill: something that stands upright. */
  const paintPicture = async (): Promise<ArrayBuffer> => {
    const { width, height } = image ?? { width: 1, height: 1 };
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d');
    if (context) {
      context.fillStyle = '#7db8e8';
      context.fillRect(0, 0, width, height);
      context.fillStyle = '#ffd94d';
      context.beginPath();
      context.arc(width * 0.7, height * 0.3, height * 0.12, 0, 7);
      context.fill();
      context.fillStyle = '#3d7a3d';
      context.beginPath();
      context.ellipse(width * 0.4, height, width * 0.6, height * 0.45, 0, 0, 7);
      context.fill();
    }
    return (await canvas.convertToBlob({ type: 'image/png' })).arrayBuffer();
  };

  const bytesOf = (result: object): number =>
    Object.values(result).reduce((sum, value) => sum + (value instanceof ArrayBuffer ? value.byteLength : 0), 0);

  const receive = (message: FromPanel): void => {
    host.sent.push(message);
    if (message.type === 'ready') {
      host.post({
        type: 'init',
        strings: scenario.strings ?? {},
        settings: { colorMap: 'lens', scale: 'sqrt' },
        view: scenario.view ?? { layer: 0, head: 0 },
        ...(scenario.tab ? { tab: scenario.tab } : {}),
      });
      host.post({ type: 'comparison', comparison: scenario.other?.comparison ?? null });
      host.post({ type: 'changed', target: scenario.answers === 'nothing-shown' ? null : target });
    } else if (message.type === 'request' && scenario.answers !== 'never') {
      const asked = message.params as { measures?: readonly string[] };
      if (scenario.evaluation === 'slow' && asked.measures?.includes('faithfulness')) return;
      void Promise.resolve(answer(message.method, message.params)).then(result => {
        host.bytes += bytesOf(result as object);
        setTimeout(() => host.post({ type: 'reply', id: message.id, result }), 5);
      });
    } else if (message.type === 'generate') {
      isGenerating = message.isOn;
      host.post({ type: 'changed', target });
    }
  };
  let state: unknown = scenario.state;
  window.acquireVsCodeApi = () => ({
    postMessage: (message: FromPanel) => receive(structuredClone(message)),
    getState: () => state,
    setState: (next: unknown) => {
      state = next;
    },
  });
}
