/**
 * The custom part of the language server protocol, as docs/protocol.md describes it. The panel sees the same
 * results, except that base64 strings have become ArrayBuffers on the way (see panel.ts).
 */
import type { AnnotationRequests } from './annotation-protocol.js';
import type { SearchRequests } from './search-protocol.js';

export interface Position {
  readonly line: number;
  /** UTF-16 code units from the start of the line. */
  readonly character: number;
}

export interface Range {
  readonly start: Position;
  readonly end: Position;
}

/** A non-empty range is the segment itself; an empty range stands for the segment around that position. */
export interface Scope {
  readonly textDocument: { readonly uri: string };
  readonly range: Range;
  /** A model beside that of the settings. */
  readonly model?: string;
  /** True: the document is an image file, read from disk; the range is ignored. */
  readonly image?: boolean;
  /** True: a text without a pair gets the target that the encoder-decoder writes itself. */
  readonly generate?: boolean;
  readonly pair?: PairScope;
}

/** A second text, of this document or of another one. */
export interface PairScope {
  readonly range: Range;
  readonly textDocument?: { readonly uri: string };
  /** True: this text is the first one (the source of a translation), the scope's own the second. */
  readonly source?: boolean;
}

/** The second text of a scope, when it stands in another document. */
export interface PairedText {
  readonly uri: string;
  /** Of that document: an answer about another version of it is never painted. */
  readonly version: number;
  readonly range: Range;
  readonly source: boolean;
  /** In tints: its tokens, as in TintsResult. */
  readonly tokens?: readonly number[];
  readonly weights?: readonly number[];
  readonly buckets?: readonly number[];
}

export type Pick = number | 'mean';
export type Stack = 'encoder' | 'decoder' | 'cross' | 'vision';

/** Which attention is meant. Layers and heads count from 0, as in the literature's tools. */
export interface View {
  readonly layer: Pick;
  readonly head: Pick;
  readonly stack?: Stack;
  readonly method?: string;
  /** For methods that explain an output: a word or class; absent = the most likely one. */
  readonly output?: string;
  /** "Why the output rather than this." */
  readonly contrast?: string;
  readonly changes?: Changes;
  /** Some heads as one, such as "3.5,4.*,6-8.2"; layer and head are then "mean" and do not count. */
  readonly heads?: string;
}

const isSpan = (text: string | undefined, count: number): boolean => {
  const numbers = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(text ?? '');
  if (!numbers) return text === '*';
  const [first, last] = [Number(numbers[1]), Number(numbers[2] ?? numbers[1])];
  return first <= last && last < count;
};

/** Whether a text is a set of heads (of a model of that shape): LAYER.HEAD with commas between, each side a number, a range, or "*". */
export const isHeadSet = (
  text: string,
  layers = Number.POSITIVE_INFINITY,
  heads = Number.POSITIVE_INFINITY,
): boolean => {
  const terms = text.split(/[ ,]+/).filter(term => term !== '');
  return (
    terms.length > 0 &&
    terms.every(term => {
      const [layer, head, ...rest] = term.split('.');
      return rest.length === 0 && isSpan(layer, layers) && isSpan(head, heads);
    })
  );
};

/** The heads of a model of that shape that a set names, as LAYER.HEAD, in their order in the model. */
export const headsOfSet = (set: string, layers: number, heads: number): string[] => {
  const terms = set.split(/[ ,]+/).map(term => term.split('.'));
  const names: string[] = [];
  for (let layer = 0; layer < layers; layer++) {
    for (let head = 0; head < heads; head++) {
      if (terms.some(([a, b]) => covers(a, layer) && covers(b, head))) names.push(`${layer}.${head}`);
    }
  }
  return names;
};

const covers = (span: string | undefined, index: number): boolean => {
  if (!span || span === '*') return span === '*';
  const [first, last = first] = span.split('-').map(Number);
  return first !== undefined && last !== undefined && first <= index && index <= last;
};

/** The view of other layers or heads; those that were chosen as a set are no longer. */
export const withHead = <T extends Partial<ViewChoice>>(
  { heads: _, ...kept }: T,
  chosen: { readonly layer: ViewChoice['layer']; readonly head: Pick; readonly heads?: string },
) => ({ ...kept, ...chosen });

export type HeadEffect = 'zero' | 'uniform' | 'mean';

/** Interventions on one's own sentence: what is changed about the input or the model before it runs. */
export interface Changes {
  readonly heads?: readonly HeadChange[];
  readonly tokens?: readonly TokenChange[];
}

export interface HeadChange {
  readonly layer: number;
  readonly head: number;
  readonly effect: HeadEffect;
  readonly stack?: Stack;
}

export interface TokenChange {
  readonly index: number;
  /** A word that is one token; absent = the mask token. */
  readonly text?: string;
  /** The vocabulary's spelling of the token that is meant: after an edit another one may stand there. */
  readonly was?: string;
}

/** What can be asked for: layer "auto" leaves layer and head to the server, which takes the clearest head. */
export interface ViewChoice extends Omit<View, 'layer'> {
  readonly layer: Pick | 'auto';
}

export interface ModelSummary {
  readonly name: string;
  readonly modelType: string;
  readonly kind: 'encoder' | 'decoder' | 'encoderDecoder' | 'vision';
  readonly layers: number;
  readonly heads: number;
  readonly decoderLayers?: number | null;
  readonly decoderHeads?: number | null;
  readonly maxPositions?: number | null;
}

export type Status = 'ok' | 'truncated' | 'stale' | 'empty' | 'modelMissing' | 'failed';

export interface Result {
  /** Version of the document the answer is about; an answer about another version is never painted. */
  readonly version: number | null;
  readonly status: Status;
  readonly message?: string;
}

export interface TintsParams {
  readonly scope: Scope;
  readonly view: ViewChoice;
  /** Inside the segment: the token there is the query and the weights are its row. */
  readonly position?: Position;
  /** All tokens in it are the query, the mean of their rows; goes before the position. */
  readonly query?: Range;
  /** Pieces of a word by themselves, or as one. */
  readonly unit?: 'token' | 'word';
  /** True: the document's pinned query goes before the position, where it lies in the segment. */
  readonly pinned?: boolean;
}

export interface TintsResult extends Result {
  readonly range: Range;
  /** Column: what attends to the token at the position, for a source token of a cross stack. */
  readonly mode: 'row' | 'column' | 'received' | 'output';
  readonly query?: Range | null;
  readonly pinned?: boolean;
  readonly model: string;
  readonly view: View;
  /** Five numbers per token: start line, start character, end line, end character, index in the segment. */
  readonly tokens: readonly number[];
  /** One weight per token, 0..1. */
  readonly weights: readonly number[];
  /** One bucket per token, 0 (not tinted) to 11, by the square root of weight/max. */
  readonly buckets: readonly number[];
  readonly special: 'hidden' | 'shown' | 'renormalized';
  /** Attention that went to tokens that are not shown. */
  readonly specialMass: number;
  readonly max: number;
  readonly pair?: PairedText;
  /** In mode output: which output is explained. */
  readonly about?: string;
}

export interface Token {
  readonly index: number;
  readonly id: number;
  readonly text: string;
  /** What people read where the vocabulary's spelling is no writing. */
  readonly readable?: string;
  /** Null for tokens that the model adds, such as [CLS]. */
  readonly range: Range | null;
  readonly special: boolean;
  readonly typeId: number;
  /** True: the range is one of the document of the result's pair. */
  readonly inPair?: boolean;
}

export interface StackInfo {
  readonly kind: Stack;
  readonly layers: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
}

export interface TokensResult extends Result {
  readonly range: Range;
  readonly model: ModelSummary;
  readonly tokens: readonly Token[];
  /** Tokens of the decoder's text in an encoder-decoder. */
  readonly targetTokens?: readonly Token[];
  /** True: the model has written the target; its tokens have no range. */
  readonly generated?: boolean;
  /** The image whose patches the tokens are, behind a class token. */
  readonly image?: ImageInfo;
  readonly stacks: readonly StackInfo[];
  readonly pair?: PairedText;
  /** The view of the question as resolved; absent where the model has none such. */
  readonly view?: View;
}

/** Patch (r, c) begins at (left + c * patchWidth, top + r * patchHeight), in pixels of the upright image. */
export interface ImageInfo {
  readonly width: number;
  readonly height: number;
  readonly rows: number;
  readonly columns: number;
  readonly left: number;
  readonly top: number;
  readonly patchWidth: number;
  readonly patchHeight: number;
}

export interface RowParams {
  readonly scope: Scope;
  readonly view: View;
  readonly query: number;
}

/** Bytes are base64 between server and extension host, an ArrayBuffer between host and panel. */
export interface RowResult<Bytes> extends Result {
  /** float32, little endian, one per key. */
  readonly weights: Bytes;
}

export interface TileParams {
  readonly scope: Scope;
  readonly view: View;
  /** Half-open intervals of query and key indices. */
  readonly rows: readonly [from: number, to: number];
  readonly columns: readonly [from: number, to: number];
  /** Rows and columns wanted; smaller than the intervals means pooling. */
  readonly size: readonly [rows: number, columns: number];
  readonly pooling: 'max' | 'mean';
  /** True: float32; otherwise one byte per cell, weight * 255 rounded. */
  readonly exact?: boolean;
}

export interface TileResult<Bytes> extends Result {
  readonly data: Bytes;
  readonly shape: readonly [rows: number, columns: number];
  readonly max: number;
}

export interface RowsParams {
  readonly scope: Scope;
  /** Layer and head are ignored. */
  readonly view: View;
  readonly query: number;
}

/** The row of one query in every layer and head. */
export interface RowsResult<Bytes> extends Result {
  /** float32, little endian, [layers, heads, keys]. */
  readonly data: Bytes;
  /** One head where the method joins them. */
  readonly shape: readonly [layers: number, heads: number, keys: number];
}

export interface ScoreParams {
  readonly scope: Scope;
  /** One layer and one head: a mean has no query vector. */
  readonly view: View;
  readonly query: number;
  readonly key: number;
}

/** How one weight comes about: weight = exp(score - logSumExp), score = scale * query . key + bias. */
export interface ScoreResult<Bytes> extends Result {
  /** float32, little endian, one per component of the head. */
  readonly queryVector: Bytes;
  readonly keyVector: Bytes;
  readonly scale: number;
  /** Relative position and padding; 0 where there is none. */
  readonly bias?: number;
  /** Absent where the key is masked. */
  readonly score?: number;
  readonly logSumExp?: number;
  readonly weight: number;
  readonly isMasked: boolean;
}

export interface OverviewParams {
  readonly scope: Scope;
  /** Edge of each head's square thumbnail. */
  readonly size: number;
  readonly stack?: Stack;
  readonly changes?: Changes;
}

export type ExportFormat = 'html' | 'npz' | 'safetensors';

export interface ExportParams {
  readonly scope: Scope;
  readonly view: ViewChoice;
  readonly format: ExportFormat;
  /** Absolute, where the server runs. */
  readonly path: string;
}

export interface ExportResult extends Result {
  /** False: all heads were too much, and only the shown one was written. */
  readonly isWhole?: boolean;
}

/** What a head does on average over its rows; shares are of the weight, distances in tokens, entropies in nats. */
export interface HeadProfile {
  readonly entropy: number;
  readonly normalizedEntropy: number;
  readonly max: number;
  readonly meanDistance: number;
  readonly first: number;
  readonly separators: number;
  readonly previous: number;
  readonly next: number;
  readonly same: number;
}

export interface OverviewResult<Bytes> extends Result {
  /** One byte per cell, weight * 255 / the head's maximum rounded, max-pooled. */
  readonly data: Bytes;
  readonly shape: readonly [layers: number, heads: number, rows: number, columns: number];
  /** The largest weight of each head, by layer, then head. */
  readonly maxima: readonly (readonly number[])[];
  readonly stack: Stack;
  /** By layer, then head. */
  readonly profiles: readonly (readonly HeadProfile[])[];
}

/** The profiles alone. */
export interface ProfilesResult extends Result {
  readonly stack: Stack;
  readonly profiles: readonly (readonly HeadProfile[])[];
}

export interface PredictionParams {
  readonly scope: Scope;
  /** Index of the token that is asked about; absent = the mask in the text, or what needs no token. */
  readonly token?: number;
  readonly view?: Partial<View>;
  readonly top?: number;
  /** True: what the head would say after each layer. */
  readonly layers?: boolean;
  readonly generate?: number;
}

export interface Candidate {
  readonly id: number;
  readonly text: string;
  readonly logit: number;
  readonly probability: number;
  readonly rank: number;
  readonly range?: Range;
}

export interface LensState {
  /** 0 = the embeddings, i = after layer i - 1. */
  readonly state: number;
  readonly candidates: readonly Candidate[];
  /** Of what the whole model says. */
  readonly rank: number;
  readonly probability: number;
}

export interface PredictionResult extends Result {
  readonly kind: 'masked' | 'next' | 'target' | 'class' | 'tokenClass' | 'answer' | 'replaced';
  readonly about: string;
  readonly token?: number;
  readonly range?: Range;
  readonly candidates: readonly Candidate[];
  /** What stands in the text there, or comes next in it. */
  readonly actual?: Candidate;
  /** The output and the contrast that the view names. */
  readonly asked?: readonly Candidate[];
  /** In bits. */
  readonly entropy: number;
  readonly layers?: readonly LensState[];
  /** With changes: what the model says without them. */
  readonly before?: readonly Candidate[];
  readonly generated?: string;
}

export interface HeadsParams {
  readonly scope: Scope;
  readonly stack?: Stack;
  readonly like?: readonly [layer: number, head: number];
}

/** What a head does with random texts; shares between 0 and 1. */
export interface HeadTraits {
  /** On what followed the same token earlier. */
  readonly induction: number;
  /** On the same token earlier. */
  readonly duplicate: number;
  /** On the same places, whatever the words. */
  readonly stability: number;
}

export interface HeadsResult extends Result {
  readonly stack: Stack;
  /** By layer, then head; absent where `reason` says why. */
  readonly traits?: readonly (readonly HeadTraits[])[];
  readonly likeness?: readonly (readonly number[])[];
  readonly reason?: string;
}

export type MetricFamily = 'clarity' | 'faithfulness' | 'plausibility' | 'robustness';

export interface EvaluationParams {
  readonly scope: Scope;
  readonly view: View;
  readonly query?: number;
  readonly measures: readonly MetricFamily[];
  /** Tokens that somebody would give as the reason. */
  readonly rationale?: readonly number[];
}

export interface Metric {
  readonly name: string;
  readonly family: MetricFamily;
  readonly better: 'none' | 'higher' | 'lower';
  readonly value: number;
  /** What random numbers get on this text; for clarity, what the same weight everywhere gets. */
  readonly chance?: number;
  /** How many of so many random pictures do worse. */
  readonly beaten?: number;
  readonly draws?: number;
}

/** Probabilities of the output while tokens are taken away, strongest first. */
export interface RemovalCurve {
  readonly shares: readonly number[];
  readonly without: readonly number[];
  readonly only: readonly number[];
  readonly chanceWithout: readonly number[];
  readonly chanceOnly: readonly number[];
}

export interface EvaluationResult extends Result {
  readonly output?: string;
  readonly probability?: number;
  readonly isMasked?: boolean;
  readonly items: readonly number[];
  readonly scores: readonly number[];
  readonly metrics: readonly Metric[];
  readonly curve?: RemovalCurve;
  readonly problems?: readonly string[];
}

/** A way to get from softmax weights to what is shown: the weights themselves, rollout, value norms, ... */
export interface Method {
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  /** The weights are about an output of the model, not about a position's attention. */
  readonly explainsOutput: boolean;
  /** A layer's weights are about all layers up to it. */
  readonly accumulates: boolean;
}

export interface ModelInfoResult extends ModelSummary {
  readonly status: Status;
  readonly message?: string;
  readonly methods?: readonly Method[];
}

/** A model on this machine. */
export interface InstalledModel {
  /** What the setting `attentionLens.model` finds it by. */
  readonly name: string;
  readonly place: 'embedded' | 'cache' | 'ollama' | 'llamaCpp';
  readonly path: string;
  readonly bytes: number;
  readonly inUse: boolean;
}

/** Attention that another program computed. */
export interface AttentionFile {
  /** What stands in its document. */
  readonly text: string;
  readonly model: ModelSummary;
  readonly notice?: string;
}

export interface CheckedModel {
  readonly modelType: string;
  readonly kind: string;
  readonly layers: number;
  readonly heads: number;
  readonly parameters: number;
  readonly maxPositions: number;
  readonly hasTokenizer: boolean;
}

export interface ServerStatus {
  readonly health: 'ok' | 'warning' | 'error';
  readonly message?: string;
  readonly model?: ModelSummary;
  readonly busy: boolean;
}

/** Method name -> parameters and result, as they travel between extension host and server. */
export interface ServerRequests extends AnnotationRequests, SearchRequests {
  'attentionLens/tints': { params: TintsParams; result: TintsResult };
  'attentionLens/tokens': { params: { scope: Scope; view: ViewChoice }; result: TokensResult };
  'attentionLens/row': { params: RowParams; result: RowResult<string> };
  'attentionLens/rows': { params: RowsParams; result: RowsResult<string> };
  'attentionLens/tile': { params: TileParams; result: TileResult<string> };
  'attentionLens/score': { params: ScoreParams; result: ScoreResult<string> };
  'attentionLens/overview': { params: OverviewParams; result: OverviewResult<string> };
  'attentionLens/models': { params: Record<string, never>; result: { readonly models: readonly InstalledModel[] } };
  'attentionLens/pullModel': {
    params: { readonly name: string; readonly revision?: string };
    result: { readonly folder: string };
  };
  'attentionLens/checkModel': { params: { readonly name: string }; result: CheckedModel };
  'attentionLens/removeModel': { params: { readonly name: string }; result: { readonly bytes: number } };
  'attentionLens/profiles': { params: { scope: Scope; stack?: Stack }; result: ProfilesResult };
  'attentionLens/export': { params: ExportParams; result: ExportResult };
  'attentionLens/attentionFile': { params: { readonly uri: string }; result: AttentionFile };
  'attentionLens/prediction': { params: PredictionParams; result: PredictionResult };
  'attentionLens/heads': { params: HeadsParams; result: HeadsResult };
  'attentionLens/evaluation': { params: EvaluationParams; result: EvaluationResult };
  'attentionLens/modelInfo': { params: Record<string, never>; result: ModelInfoResult };
}

export const statusNotification = 'attentionLens/status';

export const isDrawable = (status: Status): boolean => status === 'ok' || status === 'truncated';

export const sameView = (a: ViewChoice, b: ViewChoice): boolean =>
  a.layer === b.layer &&
  a.head === b.head &&
  a.heads === b.heads &&
  a.stack === b.stack &&
  a.method === b.method &&
  a.output === b.output &&
  a.contrast === b.contrast &&
  JSON.stringify(a.changes) === JSON.stringify(b.changes);
