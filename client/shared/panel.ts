/**
 * What the extension host and a panel say to each other. Small messages are plain objects; matrices travel from
 * host to panel as ArrayBuffers. Everything is checked on arrival: an unknown message is ignored, never thrown.
 */

import type {
  EvaluationParams,
  EvaluationResult,
  ExportFormat,
  HeadsParams,
  HeadsResult,
  OverviewParams,
  OverviewResult,
  Position,
  PredictionParams,
  PredictionResult,
  Range,
  Result,
  RowParams,
  RowResult,
  RowsParams,
  RowsResult,
  ScoreParams,
  ScoreResult,
  TileParams,
  TileResult,
  TokensResult,
  ViewChoice,
} from './protocol.js';

/** What a panel asks: the host adds the scope, as a panel never names documents. */
type Asked<Params> = Omit<Params, 'scope'> & {
  /** The question is about what the text is compared with. */
  readonly side?: 'other';
};

/** Requests of the panel. */
export interface PanelRequests {
  tokens: { params: Asked<{ readonly view?: ViewChoice }>; result: TokensResult };
  row: { params: Asked<RowParams>; result: RowResult<ArrayBuffer> };
  tile: { params: Asked<TileParams>; result: TileResult<ArrayBuffer> };
  score: { params: Asked<ScoreParams>; result: ScoreResult<ArrayBuffer> };
  rows: { params: Asked<RowsParams>; result: RowsResult<ArrayBuffer> };
  overview: { params: Asked<OverviewParams>; result: OverviewResult<ArrayBuffer> };
  prediction: { params: Asked<PredictionParams>; result: PredictionResult };
  heads: { params: Asked<HeadsParams>; result: HeadsResult };
  evaluation: { params: Asked<EvaluationParams>; result: EvaluationResult };
  /** The file of an image, as it is on disk. The host answers it. */
  picture: { params: object; result: PictureResult };
}

export interface PictureResult extends Result {
  readonly data: ArrayBuffer;
  /** Its MIME type. */
  readonly type: string;
}

export type PanelMethod = keyof PanelRequests;

export const panelMethods: readonly PanelMethod[] = [
  'tokens',
  'row',
  'rows',
  'tile',
  'score',
  'overview',
  'picture',
  'prediction',
  'heads',
  'evaluation',
];

/** The views of a panel. */
export type Tab =
  | 'image'
  | 'model'
  | 'head'
  | 'heatmap'
  | 'row'
  | 'neuron'
  | 'cross'
  | 'compare'
  | 'prediction'
  | 'trust';

export const tabs: readonly Tab[] = [
  'image',
  'model',
  'head',
  'heatmap',
  'row',
  'neuron',
  'cross',
  'compare',
  'prediction',
  'trust',
];

export type Scale = 'linear' | 'sqrt' | 'log';
export type ColorMapName = 'lens' | 'cividis' | 'viridis' | 'magma' | 'inferno';

export interface PanelSettings {
  readonly colorMap: ColorMapName;
  readonly scale: Scale;
}

/** The text that a panel is about: enough to find it again after a reload. */
export interface PanelTarget {
  readonly uri: string;
  readonly name: string;
  /** What was asked to be shown; empty range = the segment around that position. */
  readonly range: Range;
  /** The file is an image. */
  readonly isImage?: boolean;
}

/** What a text is compared with, where that is not another layer or head of itself. */
export type Comparison =
  /** The file as it is on disk, or as it was committed last. */
  | { readonly kind: 'saved' | 'head' }
  | { readonly kind: 'text'; readonly target: PanelTarget }
  | { readonly kind: 'model'; readonly model: string };

/** What a panel keeps over a reload, through setState. */
export interface PanelState {
  readonly target: PanelTarget;
  readonly view: ViewChoice;
  readonly comparison?: Comparison;
  /** The model writes the target of a text that has none. */
  readonly isGenerating?: boolean;
}

/** A range of the panel's document, or of the one that its text is paired with. */
export interface Place extends Range {
  readonly inPair?: boolean;
}

export type ToPanel =
  | {
      readonly type: 'init';
      readonly strings: Readonly<Record<string, string>>;
      readonly settings: PanelSettings;
      readonly view: ViewChoice;
      /** The view to open with; without it the one that was open before a reload. */
      readonly tab?: Tab;
    }
  | { readonly type: 'tab'; readonly tab: Tab }
  | { readonly type: 'comparison'; readonly comparison: Comparison | null }
  /** The text, the model or the server changed: what is drawn is out of date. Null: nothing is shown any more. */
  | { readonly type: 'changed'; readonly target: PanelTarget | null }
  | { readonly type: 'view'; readonly view: ViewChoice }
  | { readonly type: 'settings'; readonly settings: PanelSettings }
  /** Cursor of the editor; null when it is outside the shown text. */
  | { readonly type: 'cursor'; readonly position: (Position & { readonly inPair?: boolean }) | null }
  | { readonly type: 'reply'; readonly id: number; readonly result: unknown }
  | { readonly type: 'failure'; readonly id: number; readonly message: string };

export type FromPanel =
  | { readonly type: 'ready' }
  | { readonly type: 'request'; readonly id: number; readonly method: PanelMethod; readonly params: object }
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'view'; readonly view: ViewChoice }
  /** Mark tokens in the editor while the pointer is on them. */
  | { readonly type: 'mark'; readonly version: number; readonly query: Place | null; readonly key: Place | null }
  /** Put the editor's cursor on a token. */
  | { readonly type: 'reveal'; readonly version: number; readonly range: Place }
  /** Whether the model is to write the target of a text that has none. */
  | { readonly type: 'generate'; readonly isOn: boolean }
  /** A view to be written to a file that the user chooses; PNG as base64, the others as text. */
  | { readonly type: 'save'; readonly format: SaveFormat; readonly name: string; readonly content: string }
  /** The attention behind the view, to be written by the server to a file that the user chooses. */
  | { readonly type: 'export'; readonly format: ExportFormat; readonly name: string; readonly view: ViewChoice }
  /** Numbers for the clipboard. Pictures go there from the panel itself: a host has no clipboard for them. */
  | { readonly type: 'copy'; readonly text: string }
  | { readonly type: 'command'; readonly command: PanelCommand };

/** What a panel can make of what it draws. */
export type SaveFormat = 'svg' | 'png' | 'csv';

export const saveFormats: readonly SaveFormat[] = ['svg', 'png', 'csv'];

export const exportFormats: readonly ExportFormat[] = ['html', 'npz', 'safetensors'];

/** Commands that a panel may ask for; anything else is ignored. */
export type PanelCommand =
  | 'selectMethod'
  | 'selectImageModel'
  | 'compareWith'
  | 'showAttention'
  | 'selectHead'
  | 'restartServer'
  | 'showLogs'
  | 'cannotSave'
  | 'cannotCopy';

export const panelCommands: readonly PanelCommand[] = [
  'selectMethod',
  'selectImageModel',
  'compareWith',
  'showAttention',
  'selectHead',
  'restartServer',
  'showLogs',
  'cannotSave',
  'cannotCopy',
];

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const isCount = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;

export const isPosition = (value: unknown): value is Position =>
  isObject(value) && isCount(value.line) && isCount(value.character);

export const isRange = (value: unknown): value is Range =>
  isObject(value) && isPosition(value.start) && isPosition(value.end);

const isTextOrAbsent = (value: unknown): boolean => value === undefined || typeof value === 'string';
const isPick = (value: unknown): boolean => value === 'mean' || isCount(value);
const isOneOf = <T extends string>(value: unknown, names: readonly T[]): value is T => names.includes(value as T);

export const isView = (value: unknown): value is ViewChoice =>
  isObject(value) &&
  (value.layer === 'auto' || isPick(value.layer)) &&
  isPick(value.head) &&
  isTextOrAbsent(value.heads) &&
  (value.stack === undefined || isOneOf(value.stack, ['encoder', 'decoder', 'cross', 'vision'])) &&
  isTextOrAbsent(value.method) &&
  isTextOrAbsent(value.output) &&
  isTextOrAbsent(value.contrast) &&
  (value.changes === undefined || isChanges(value.changes));

const isHeadChange = (value: unknown): boolean =>
  isObject(value) && isCount(value.layer) && isCount(value.head) && isOneOf(value.effect, ['zero', 'uniform', 'mean']);

const isTokenChange = (value: unknown): boolean =>
  isObject(value) && isCount(value.index) && isTextOrAbsent(value.text) && isTextOrAbsent(value.was);

const isListOrAbsent = (value: unknown, isItem: (item: unknown) => boolean): boolean =>
  value === undefined || (Array.isArray(value) && value.every(isItem));

const isChanges = (value: unknown): boolean =>
  isObject(value) && isListOrAbsent(value.heads, isHeadChange) && isListOrAbsent(value.tokens, isTokenChange);

export const isPanelTarget = (value: unknown): value is PanelTarget =>
  isObject(value) && typeof value.uri === 'string' && typeof value.name === 'string' && isRange(value.range);

export const isComparison = (value: unknown): value is Comparison => {
  if (!isObject(value)) return false;
  if (value.kind === 'text') return isPanelTarget(value.target);
  if (value.kind === 'model') return typeof value.model === 'string';
  return value.kind === 'saved' || value.kind === 'head';
};

export const isPanelState = (value: unknown): value is PanelState =>
  isObject(value) &&
  isPanelTarget(value.target) &&
  isView(value.view) &&
  (value.comparison === undefined || isComparison(value.comparison));

export const isTab = (value: unknown): value is Tab => isOneOf(value, tabs);

const isRangeOrNull = (value: unknown): boolean => value === null || isRange(value);

export function isFromPanel(value: unknown): value is FromPanel {
  if (!isObject(value)) return false;
  switch (value.type) {
    case 'ready':
      return true;
    case 'request':
      return isCount(value.id) && isOneOf(value.method, panelMethods) && isObject(value.params);
    case 'cancel':
      return isCount(value.id);
    case 'view':
      return isView(value.view);
    case 'mark':
      return isCount(value.version) && isRangeOrNull(value.query) && isRangeOrNull(value.key);
    case 'reveal':
      return isCount(value.version) && isRange(value.range);
    case 'generate':
      return typeof value.isOn === 'boolean';
    case 'save':
      return isOneOf(value.format, saveFormats) && typeof value.name === 'string' && typeof value.content === 'string';
    case 'export':
      return isOneOf(value.format, exportFormats) && typeof value.name === 'string' && isView(value.view);
    case 'copy':
      return typeof value.text === 'string';
    case 'command':
      return isOneOf(value.command, panelCommands);
    default:
      return false;
  }
}

export function isToPanel(value: unknown): value is ToPanel {
  if (!isObject(value)) return false;
  switch (value.type) {
    case 'init':
      return isObject(value.strings) && isObject(value.settings) && isView(value.view);
    case 'changed':
      return value.target === null || isPanelTarget(value.target);
    case 'view':
      return isView(value.view);
    case 'comparison':
      return value.comparison === null || isComparison(value.comparison);
    case 'tab':
      return isTab(value.tab);
    case 'settings':
      return isObject(value.settings);
    case 'cursor':
      return value.position === null || isPosition(value.position);
    case 'reply':
      return isCount(value.id) && 'result' in value;
    case 'failure':
      return isCount(value.id) && typeof value.message === 'string';
    default:
      return false;
  }
}
