import type { ComponentChildren } from 'preact';
import { usePanel } from './panel-context.js';
import { picks, Select, Toggle } from './select.js';
import { t } from './strings.js';

interface ToolbarProps {
  /** Which of layer and head the view lets one choose. */
  readonly picks: readonly ('layer' | 'head')[];
  readonly table?: { readonly isOpen: boolean; readonly onToggle: () => void };
  readonly children?: ComponentChildren;
}

/** Layer and head at the left, what belongs to the view after them. */
export function Toolbar({ picks: wanted, table, children }: ToolbarProps) {
  const { view, setView, stack, query, isPinned, pin } = usePanel();
  return (
    <div class="toolbar" role="toolbar" aria-label={t('toolbar')}>
      {wanted.includes('layer') && (
        <Select
          label={t('layer')}
          value={view.layer}
          options={picks(stack.layers)}
          onChange={layer => setView({ ...view, layer })}
        />
      )}
      {wanted.includes('head') && (
        <Select
          label={t('head')}
          value={view.head}
          options={picks(stack.heads)}
          onChange={head => setView({ ...view, head })}
        />
      )}
      {children}
      <span class="spacer" />
      {query !== null && (
        <Toggle icon="pin" label={t('pin')} isOn={isPinned} onToggle={() => pin(isPinned ? null : query)} />
      )}
      {table && <Toggle icon="list-flat" label={t('table')} isOn={table.isOpen} onToggle={table.onToggle} />}
    </div>
  );
}
