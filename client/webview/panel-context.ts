import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Comparison, PanelSettings, Scale, Tab } from '../shared/panel.js';
import type { ImageInfo, ModelSummary, StackInfo, Token, View, ViewChoice } from '../shared/protocol.js';
import type { Exporter } from './export.js';
import type { Theme } from './theme.js';
import type { Transport } from './transport.js';

export interface Cell {
  /** Index of the query. */
  readonly row: number;
  /** Index of the key. */
  readonly column: number;
}

/** One or both tokens of a pair. */
export interface Mark {
  readonly row: number | null;
  readonly column: number | null;
}

/** What all views of a panel share: one text, one model, one choice of layer and head, one query. */
export interface Panel {
  readonly transport: Transport;
  readonly settings: PanelSettings;
  readonly theme: Theme;
  /** Grows whenever what was answered before is out of date. */
  readonly generation: number;
  readonly version: number | null;
  readonly model: ModelSummary;
  readonly stack: StackInfo;
  readonly stacks: readonly StackInfo[];
  readonly queries: readonly Token[];
  readonly keys: readonly Token[];
  readonly view: View;
  /** The server chose layer and head. */
  readonly isClearest: boolean;
  readonly setView: (view: ViewChoice) => void;
  /** Of this panel; the setting stays. */
  readonly setScale: (scale: Scale) => void;
  /** The pinned query, else the token at the editor's cursor. */
  readonly query: number | null;
  readonly isPinned: boolean;
  readonly pin: (query: number | null) => void;
  /** Marks a query, a key or both in the editor; null takes the marks away. */
  readonly point: (mark: Mark | null) => void;
  /** Moves the editor's cursor to the query, or to the key where there is no query. */
  readonly choose: (mark: Mark) => void;
  readonly open: (tab: Tab) => void;
  /** Whether the numbers stand beside the picture, in every view. */
  readonly isTableOpen: boolean;
  readonly setTableOpen: (isOpen: boolean) => void;
  readonly setExporter: (exporter: Exporter) => void;
  /** The token of the keys at the editor's cursor, where queries and keys are different texts. */
  readonly keyAtCursor: number | null;
  /** The image whose patches the tokens are. */
  readonly image: ImageInfo | null;
  /** The model has written the target. */
  readonly isGenerated: boolean;
  /** Null: the text is compared with itself. */
  readonly comparison: Comparison | null;
  /** Says that what a view draws is being replaced. */
  readonly setBusy: (isBusy: boolean) => void;
}

export const PanelContext = createContext<Panel | null>(null);

/** @throws Error outside of a panel. */
export function usePanel(): Panel {
  const panel = useContext(PanelContext);
  if (!panel) throw new Error('A view stands outside of its panel.');
  return panel;
}
