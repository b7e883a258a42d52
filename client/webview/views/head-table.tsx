import { formatProfile, type Head, measures } from '../profiles.js';
import { t } from '../strings.js';
import { viewLabel } from '../view-label.js';

interface HeadTableProps {
  readonly heads: readonly Head[];
  readonly onOpen: (head: Head) => void;
  readonly onPoint: (head: Head | null) => void;
}

const firstRows = 100;

/** The heads as a table, in the order of the pictures. */
export function HeadTable({ heads, onOpen, onPoint }: HeadTableProps) {
  const shown = heads.slice(0, firstRows);
  return (
    <section class="side wide" aria-label={t('table')}>
      <table>
        <caption>{t('allHeads')}</caption>
        <thead>
          <tr>
            <th scope="col">{t('head')}</th>
            {measures.map(({ name, label }) => (
              <th key={name} scope="col">
                {t(label)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map(head => (
            <tr
              key={`${head.layer}/${head.head}`}
              onPointerEnter={() => onPoint(head)}
              onPointerLeave={() => onPoint(null)}
            >
              <th scope="row">
                <button
                  type="button"
                  class="link"
                  aria-label={viewLabel({ layer: head.layer, head: head.head })}
                  onClick={() => onOpen(head)}
                >
                  {`${head.layer}·${head.head}`}
                </button>
              </th>
              {measures.map(({ name }) => (
                <td key={name}>{formatProfile(head.profile, name)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {shown.length < heads.length && <p class="note">{t('showingOf', shown.length, heads.length)}</p>}
    </section>
  );
}
