import * as vscode from 'vscode';
import type { ColorMapName, PanelSettings, Scale } from '../shared/panel.js';
import type { Pick, ViewChoice } from '../shared/protocol.js';

export const section = 'attentionLens';

/** The section as the server takes it, in initializationOptions and in workspace/didChangeConfiguration. */
export interface ServerSettings {
  readonly model: string;
  readonly layer: Pick | 'auto';
  readonly head: Pick;
  /** Some heads as one; empty = none. */
  readonly heads: string;
  readonly specialTokens: 'hide' | 'show' | 'renormalize';
  readonly segment: 'paragraph' | 'sentence' | 'line';
  /** 0: as many as the machine offers. */
  readonly threads: number;
  readonly cacheMegabytes: number;
  readonly hover: { readonly top: number };
  readonly codeLens: boolean;
  readonly inlayHints: boolean;
  /** Fields of JSON or columns of a table that are text; two make a pair. */
  readonly fields: readonly string[];
  readonly pairSeparator: string;
  readonly pairKind: 'sentences' | 'translation';
  /** False: this client tells what answers and statuses say, and the server need not tell it a second time. */
  readonly showMessages: false;
  readonly annotation: { readonly annotator: string };
  /** Commands of this client that lenses and actions of the server may name. */
  readonly clientCommands: readonly string[];
}

export type HoverWhen = 'shown' | 'always' | 'never';

const get = <T>(key: string, fallback: T): T => vscode.workspace.getConfiguration(section).get<T>(key, fallback);

export const configuredView = (): ViewChoice => {
  const heads = get('heads', '').trim();
  return heads
    ? { layer: 'mean', head: 'mean', heads }
    : { layer: get<Pick | 'auto'>('layer', 'auto'), head: get<Pick>('head', 'mean') };
};

/** The view that is shown now replaces the configured one, so that hovers speak of the same head as the tints. */
export const serverSettings = (view: ViewChoice): ServerSettings => ({
  model: get('model', ''),
  layer: view.layer,
  head: view.head,
  heads: view.heads ?? '',
  specialTokens: get<ServerSettings['specialTokens']>('specialTokens', 'hide'),
  segment: get<ServerSettings['segment']>('segment', 'paragraph'),
  threads: get('threads', 0),
  cacheMegabytes: get('cacheMegabytes', 512),
  hover: { top: get('hover.top', 5) },
  codeLens: get('codeLens', false),
  inlayHints: get('inlayHints', false),
  fields: get<readonly string[]>('fields', []),
  pairSeparator: get('pairSeparator', ''),
  pairKind: get<ServerSettings['pairKind']>('pairKind', 'sentences'),
  showMessages: false,
  annotation: { annotator: get('annotation.annotator', '') },
  clientCommands: ['openHeatmap', 'openHeadView', 'annotate', 'compareWithPinned'].map(name => `attentionLens.${name}`),
});

/** What is tinted as one: pieces of a word each by itself, or together. */
export const tintUnit = () => get<'token' | 'word'>('unit', 'token');

export const hoverWhen = (): HoverWhen => get<HoverWhen>('hover.when', 'shown');

/** The model that looks at images; empty: the one that reads text, if it can. */
export const imageModel = (): string => get('imageModel', '');

export const serverPath = (): string => get('server.path', '');

export const panelSettings = (): PanelSettings => ({
  colorMap: get<ColorMapName>('colorMap', 'lens'),
  scale: get<Scale>('scale', 'sqrt'),
});

/** What a selection or the word under the cursor is widened to before it is labelled. */
export type Snap = 'word' | 'token' | 'none';

export const annotationSettings = () => ({
  snap: get<Snap>('annotation.snap', 'word'),
  /** True: no suggestion is on the screen but the one that was asked for. */
  isBlind: get('annotation.suggestions', 'blind') === 'blind',
  showLabels: get('annotation.showLabels', true),
  evidence: get('annotation.evidence', true),
  rationaleLabel: get('annotation.rationaleLabel', 'rationale'),
  rationaleScores: get<'received' | 'first'>('annotation.rationaleScores', 'received'),
  order: get<'name' | 'uncertainty' | 'disagreement'>('annotation.order', 'name'),
});
