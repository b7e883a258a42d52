import { useMemo, useState } from 'preact/hooks';
import type { Token } from '../../shared/protocol.js';
import type { Cell } from '../panel-context.js';
import { formatWeight, t } from '../strings.js';
import { labelOf } from '../tokens.js';

interface KeyTableProps {
  readonly query: number;
  readonly queries: readonly Token[];
  readonly keys: readonly Token[];
  readonly weights: Float32Array;
  readonly onPoint: (cell: Cell | null) => void;
}

type Order = 'weight' | 'position';

const firstRows = 100;

/** The row of one query as a table: the same facts as the picture, for screen readers and for exact reading. */
export function KeyTable({ query, queries, keys, weights, onPoint }: KeyTableProps) {
  const [order, setOrder] = useState<Order>('weight');
  const [isWhole, setWhole] = useState(false);
  const rows = useMemo(() => {
    const byWeight = [...weights.keys()].sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0));
    const ranked = byWeight.map((index, rank) => ({ index, rank: rank + 1 }));
    return order === 'weight' ? ranked : ranked.sort((a, b) => a.index - b.index);
  }, [weights, order]);
  const shown = isWhole ? rows : rows.slice(0, firstRows);
  const name = (tokens: readonly Token[], index: number) => {
    const token = tokens[index];
    return token ? labelOf(token) : '';
  };
  const header = (key: Order, text: string) => (
    <th scope="col" aria-sort={order === key ? (key === 'weight' ? 'descending' : 'ascending') : 'none'}>
      <button type="button" class="link" onClick={() => setOrder(key)}>
        {text}
        {order === key && (
          <span class={`codicon codicon-chevron-${key === 'weight' ? 'down' : 'up'}`} aria-hidden="true" />
        )}
      </button>
    </th>
  );
  return (
    <section class="side" aria-label={t('table')}>
      <table>
        <caption>{t('tableCaption', name(queries, query))}</caption>
        <thead>
          <tr>
            <th scope="col">{t('rank')}</th>
            <th scope="col">{t('token')}</th>
            {header('position', t('position'))}
            {header('weight', t('weight'))}
          </tr>
        </thead>
        <tbody>
          {shown.map(({ index, rank }) => (
            <tr
              key={index}
              onPointerEnter={() => onPoint({ row: query, column: index })}
              onPointerLeave={() => onPoint(null)}
            >
              <td>{rank}</td>
              <th scope="row" class={keys[index]?.special ? 'special' : undefined}>
                {name(keys, index)}
              </th>
              <td>{index}</td>
              <td>{formatWeight(weights[index] ?? 0)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {shown.length < rows.length && (
        <p>
          {t('showingOf', shown.length, rows.length)}{' '}
          <button type="button" class="link" onClick={() => setWhole(true)}>
            {t('showAll')}
          </button>
        </p>
      )}
    </section>
  );
}
