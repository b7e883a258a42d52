import type { ComponentChildren } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { t } from './strings.js';

export interface Column<R> {
  readonly label: string;
  /** What the column sorts by: numbers from the largest unless `isAscending`, names in the order of the alphabet. */
  readonly value: (row: R) => number | string;
  readonly isAscending?: boolean;
  /** What stands in the cell; without it the value itself. */
  readonly cell?: (row: R) => ComponentChildren;
  /** The column that names the row. */
  readonly isHeading?: boolean;
}

interface DataTableProps<R> {
  readonly caption: string;
  readonly columns: readonly Column<R>[];
  readonly rows: readonly R[];
  readonly keyOf: (row: R) => string | number;
  /** Index of the column that sorts at first; without it the rows come as they are given. */
  readonly sortedBy?: number;
  /** More numbers than fit beside a picture. */
  readonly isWide?: boolean;
  readonly isDimmed?: (row: R) => boolean;
  readonly onPoint?: (row: R | null) => void;
  readonly onChoose?: (row: R) => void;
}

/** More rows than these are shown when asked for: nodes cost memory, and nobody reads thousands. */
const firstRows = 100;

/**
 * The numbers of a picture, for screen readers and for exact reading. Tab reaches the headers, which sort, and the rows, through which
 * the arrow keys go.
 */
export function DataTable<R>(props: DataTableProps<R>) {
  const { columns, rows, keyOf, onPoint, onChoose } = props;
  const [sorting, setSorting] = useState<{ readonly column: number; readonly isReversed: boolean } | null>(
    props.sortedBy === undefined ? null : { column: props.sortedBy, isReversed: false },
  );
  const [isWhole, setWhole] = useState(false);
  const [active, setActive] = useState(0);
  const column = sorting ? columns[sorting.column] : undefined;
  const sorted = useMemo(() => {
    if (!column || !sorting) return rows;
    const order = (a: R, b: R): number => {
      const [x, y] = [column.value(a), column.value(b)];
      if (typeof x === 'number' && typeof y === 'number') return column.isAscending ? x - y : y - x;
      return String(x).localeCompare(String(y));
    };
    const inOrder = [...rows].sort(order);
    return sorting.isReversed ? inOrder.reverse() : inOrder;
  }, [rows, column, sorting]);
  const shown = isWhole ? sorted : sorted.slice(0, firstRows);

  const sortBy = (index: number) =>
    setSorting(now => ({ column: index, isReversed: now?.column === index && !now.isReversed }));
  const onKeyDown = (event: KeyboardEvent, index: number) => {
    const moves: Record<string, number> = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: shown.length - 1 };
    const next = moves[event.key];
    const row = shown[index];
    if (next !== undefined) {
      const body = event.currentTarget instanceof Element ? event.currentTarget.parentElement : null;
      const element = body?.children[Math.max(0, Math.min(shown.length - 1, next))];
      if (element instanceof HTMLElement) element.focus();
    } else if (event.key === 'Enter' && row !== undefined && onChoose && event.target === event.currentTarget) {
      onChoose(row);
    } else return;
    event.preventDefault();
  };

  return (
    <section class={props.isWide ? 'side wide' : 'side'} aria-label={t('table')}>
      <table>
        <caption>{props.caption}</caption>
        <thead>
          <tr>
            {columns.map(({ label, value, isAscending, isHeading }, index) => {
              const isSorted = sorting?.column === index;
              const isNumber = rows[0] !== undefined && typeof value(rows[0]) === 'number';
              const isDown = (isNumber && !isAscending) !== (sorting?.isReversed ?? false);
              return (
                <th
                  key={label}
                  scope="col"
                  class={isNumber && !isHeading ? 'number' : undefined}
                  aria-sort={isSorted ? (isDown ? 'descending' : 'ascending') : 'none'}
                >
                  <button type="button" class="link" onClick={() => sortBy(index)}>
                    {label}
                    {isSorted && (
                      <span class={`codicon codicon-chevron-${isDown ? 'down' : 'up'}`} aria-hidden="true" />
                    )}
                  </button>
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody onPointerLeave={() => onPoint?.(null)}>
          {shown.map((row, index) => (
            <tr
              key={keyOf(row)}
              tabIndex={index === Math.min(active, shown.length - 1) ? 0 : -1}
              onPointerEnter={() => onPoint?.(row)}
              onFocus={() => {
                setActive(index);
                onPoint?.(row);
              }}
              onBlur={() => onPoint?.(null)}
              onKeyDown={event => onKeyDown(event, index)}
              onClick={() => onChoose?.(row)}
            >
              {columns.map(({ label, value, cell, isHeading }) => {
                const content = cell ? cell(row) : value(row);
                return isHeading ? (
                  <th key={label} scope="row" class={props.isDimmed?.(row) ? 'special' : undefined}>
                    {content}
                  </th>
                ) : (
                  <td key={label} class={typeof value(row) === 'number' ? 'number' : undefined}>
                    {content}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
      {shown.length < rows.length && (
        <p class="note">
          {t('showingOf', shown.length, rows.length)}{' '}
          <button type="button" class="link" onClick={() => setWhole(true)}>
            {t('showAll')}
          </button>
        </p>
      )}
    </section>
  );
}
