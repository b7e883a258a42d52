import { useMemo } from 'preact/hooks';
import type { Token } from '../../shared/protocol.js';
import { DataTable } from '../data-table.js';
import type { Cell } from '../panel-context.js';
import { formatWeight, t } from '../strings.js';
import { labelOf } from '../tokens.js';

interface KeyTableProps {
  readonly query: number;
  readonly queries: readonly Token[];
  readonly keys: readonly Token[];
  readonly weights: Float32Array;
  readonly onPoint: (cell: Cell | null) => void;
  readonly onChoose: (cell: Cell) => void;
}

/** The row of one query as a table. */
export function KeyTable({ query, queries, keys, weights, onPoint, onChoose }: KeyTableProps) {
  const rows = useMemo(() => {
    const byWeight = [...weights.keys()].sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0));
    return byWeight.map((index, rank) => ({ index, rank: rank + 1, weight: weights[index] ?? 0 }));
  }, [weights]);
  const looking = queries[query];
  return (
    <DataTable
      caption={t('tableCaption', looking ? labelOf(looking) : '')}
      rows={rows}
      keyOf={({ index }) => index}
      sortedBy={3}
      columns={[
        { label: t('rank'), value: ({ rank }) => rank, isAscending: true },
        { label: t('token'), value: ({ index }) => nameOf(keys, index), isHeading: true },
        { label: t('position'), value: ({ index }) => index, isAscending: true },
        { label: t('weight'), value: ({ weight }) => weight, cell: ({ weight }) => formatWeight(weight) },
      ]}
      isDimmed={({ index }) => keys[index]?.special ?? false}
      onPoint={row => onPoint(row && { row: query, column: row.index })}
      onChoose={({ index }) => onChoose({ row: query, column: index })}
    />
  );
}

export const nameOf = (tokens: readonly Token[], index: number): string => {
  const token = tokens[index];
  return token ? labelOf(token) : '';
};
