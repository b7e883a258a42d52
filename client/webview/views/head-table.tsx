import { formatProfile, type Head, measuresOf } from '../../shared/profiles.js';
import { DataTable } from '../data-table.js';
import { t } from '../strings.js';
import { viewLabel } from '../view-label.js';

interface HeadTableProps {
  readonly heads: readonly Head[];
  readonly onOpen: (head: Head) => void;
  readonly onPoint: (head: Head | null) => void;
}

/** The heads as a table, in the order of the pictures. */
export function HeadTable({ heads, onOpen, onPoint }: HeadTableProps) {
  return (
    <DataTable
      caption={t('allHeads')}
      isWide
      rows={heads}
      keyOf={({ layer, head }) => `${layer}/${head}`}
      columns={[
        {
          label: t('head'),
          value: ({ layer, head }) => layer * heads.length + head,
          isAscending: true,
          isHeading: true,
          cell: ({ layer, head }) => (
            <span title={viewLabel({ layer, head })}>
              <span aria-hidden="true">{`${layer}·${head}`}</span>
              <span class="visually-hidden">{viewLabel({ layer, head })}</span>
            </span>
          ),
        },
        ...measuresOf(heads).map(({ name, label }) => ({
          label: t(label),
          value: ({ profile }: Head) => profile[name] ?? -1,
          cell: ({ profile }: Head) => formatProfile(profile, name),
        })),
      ]}
      onPoint={onPoint}
      onChoose={onOpen}
    />
  );
}
