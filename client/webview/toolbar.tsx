import type { ComponentChildren } from 'preact';
import { type View, withHead } from '../shared/protocol.js';
import { HeadSetField } from './head-set-field.js';
import { usePanel } from './panel-context.js';
import { picks, Select, scales, Toggle } from './select.js';
import { t } from './strings.js';

interface ToolbarProps {
  /** Which of layer and head the view lets one choose. */
  readonly picks: readonly ('layer' | 'head')[];
  /** False for views whose colours have a scale of their own. */
  readonly hasScale?: boolean;
  /** False for a view of one stack only. */
  readonly hasStack?: boolean;
  readonly hasTable?: boolean;
  readonly children?: ComponentChildren;
}

/** What is shown at the left, how it is shown at the right; both wrap as groups. */
export function Toolbar({ picks: wanted, hasScale = true, hasStack = true, hasTable = true, children }: ToolbarProps) {
  const { view, setView, stack, stacks, settings, setScale, query, isPinned, pin, isTableOpen, setTableOpen } =
    usePanel();
  return (
    <div class="toolbar" role="toolbar" aria-label={t('toolbar')}>
      {hasStack && stacks.length > 1 && (
        <Select
          label={t('stack')}
          value={stack.kind}
          options={stacks.map(({ kind }) => [kind, t(kind)])}
          // Another stack has other heads under the same numbers.
          onChange={kind => setView({ ...withHead(view, { layer: 'auto', head: 'mean' }), stack: kind })}
        />
      )}
      {view.heads !== undefined && wanted.length > 0 && (
        <HeadSetField
          value={view.heads}
          layers={stack.layers}
          heads={stack.heads}
          onChange={heads => setView({ ...view, heads })}
        />
      )}
      {view.heads === undefined && wanted.includes('layer') && (
        <Select
          label={t('layer')}
          value={view.layer}
          options={picks(stack.layers)}
          onChange={layer => setView({ ...view, layer })}
        />
      )}
      {view.heads === undefined && wanted.includes('head') && (
        <Select
          label={t('head')}
          value={view.head}
          options={picks(stack.heads)}
          onChange={head => setView({ ...view, head })}
        />
      )}
      {wanted.length > 1 && (
        <Toggle
          icon="checklist"
          label={t('severalHeads')}
          isOn={view.heads !== undefined}
          onToggle={() =>
            setView(view.heads === undefined ? asSet(view) : withHead(view, { layer: 'auto', head: 'mean' }))
          }
        />
      )}
      {children}
      <span class="end">
        {hasScale && (
          <Select label={t('scale')} isQuiet value={settings.scale} options={scales()} onChange={setScale} />
        )}
        {query !== null && (
          <Toggle icon="pin" label={t('pin')} isOn={isPinned} onToggle={() => pin(isPinned ? null : query)} />
        )}
        {hasTable && (
          <Toggle icon="list-flat" label={t('table')} isOn={isTableOpen} onToggle={() => setTableOpen(!isTableOpen)} />
        )}
      </span>
    </div>
  );
}

/** What is shown, written as a set to be added to. */
const asSet = (view: View): View => ({
  ...view,
  layer: 'mean',
  head: 'mean',
  heads: `${view.layer === 'mean' ? '*' : view.layer}.${view.head === 'mean' ? '*' : view.head}`,
});
