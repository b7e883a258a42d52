import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Cell } from './panel-context.js';

interface VirtualGridProps {
  readonly label: string;
  readonly rows: number;
  readonly columns: number;
  readonly active: Cell;
  /** What a screen reader says of the active cell. */
  readonly description: string;
  readonly pageRows: number;
  /** @param isExtending Shift is held: the way there is to be selected. */
  readonly onMove: (cell: Cell, isExtending: boolean) => void;
  readonly onEnter: () => void;
  readonly onFocus?: (isFocused: boolean) => void;
  /** Further keys; true when the key was used. */
  readonly onKey?: (key: string) => boolean;
  readonly onScroll?: (top: number) => void;
  readonly class: string;
  readonly elementRef?: (element: HTMLDivElement | null) => void;
  readonly children: ComponentChildren;
}

/**
 * A drawn matrix that is a grid to keyboard and screen reader: the arrow keys move an active cell, and one real row
 * and cell stand for all the others.
 */
export function VirtualGrid(props: VirtualGridProps) {
  const { rows, columns, active, pageRows } = props;
  const [id] = useState(() => `cell-${Math.random().toString(36).slice(2)}`);
  const onKeyDown = (event: KeyboardEvent) => {
    const { row, column } = active;
    const move = (row: number, column: number) => {
      const cell = { row: Math.max(0, Math.min(rows - 1, row)), column: Math.max(0, Math.min(columns - 1, column)) };
      props.onMove(cell, event.shiftKey);
    };
    const jump = event.ctrlKey || event.metaKey;
    const moves: Record<string, () => void> = {
      ArrowUp: () => move(row - 1, column),
      ArrowDown: () => move(row + 1, column),
      ArrowLeft: () => move(row, column - 1),
      ArrowRight: () => move(row, column + 1),
      Home: () => move(jump ? 0 : row, 0),
      End: () => move(jump ? rows - 1 : row, columns - 1),
      PageUp: () => move(row - pageRows, column),
      PageDown: () => move(row + pageRows, column),
      Enter: props.onEnter,
    };
    const action = moves[event.key];
    if (action) action();
    else if (!props.onKey?.(event.key)) return;
    event.preventDefault();
  };
  return (
    <div
      ref={props.elementRef ?? null}
      class={props.class}
      role="grid"
      aria-label={props.label}
      aria-rowcount={rows}
      aria-colcount={columns}
      aria-activedescendant={id}
      tabIndex={0}
      onKeyDown={onKeyDown}
      onScroll={event => props.onScroll?.(event.currentTarget.scrollTop)}
      onFocus={() => props.onFocus?.(true)}
      onBlur={() => props.onFocus?.(false)}
    >
      {props.children}
      <div role="row" aria-rowindex={active.row + 1} class="visually-hidden">
        <div role="gridcell" id={id} class="active-cell" aria-colindex={active.column + 1}>
          {props.description}
        </div>
      </div>
    </div>
  );
}
