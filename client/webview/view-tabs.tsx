import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Tab } from '../shared/panel.js';
import { Select } from './select.js';
import { t } from './strings.js';
import { useSize } from './use-size.js';

/** What stands beside the tabs keeps this much room (CSS pixels). */
const roomBeside = 80;

interface ViewTabsProps {
  readonly tabs: readonly Tab[];
  readonly shown: Tab;
  readonly onOpen: (tab: Tab) => void;
  readonly children: ComponentChildren;
}

/** The choice of a view: a row of tabs, or a menu where they do not fit, which depends on the model and on the language. */
export function ViewTabs({ tabs, shown, onOpen, children }: ViewTabsProps) {
  const [{ width }, , setNav] = useSize<HTMLElement>();
  const list = useRef<HTMLDivElement>(null);
  const [wanted, setWanted] = useState(0);
  // Not laid out while the menu stands in their place, the tabs keep the width that they had.
  useLayoutEffect(() => setWanted(now => list.current?.scrollWidth || now), [width]);
  return (
    <nav ref={setNav} data-narrow={width > 0 && wanted + roomBeside > width}>
      <div ref={list} role="tablist" aria-label={t('views')}>
        {tabs.map(name => (
          <TabButton key={name} name={name} tabs={tabs} isActive={name === shown} onOpen={onOpen} />
        ))}
      </div>
      <div class="tab-select">
        <Select
          label={t('views')}
          isQuiet
          value={shown}
          options={tabs.map(name => [name, t(tabNames[name])])}
          onChange={onOpen}
        />
      </div>
      {children}
    </nav>
  );
}

const tabNames = {
  image: 'image',
  model: 'model',
  head: 'headTab',
  heatmap: 'heatmap',
  row: 'row',
  neuron: 'neuron',
  cross: 'crossTab',
  compare: 'compare',
  prediction: 'prediction',
  trust: 'trust',
} as const;

interface TabButtonProps {
  readonly name: Tab;
  readonly tabs: readonly Tab[];
  readonly isActive: boolean;
  readonly onOpen: (tab: Tab) => void;
}

function TabButton({ name, tabs, isActive, onOpen }: TabButtonProps) {
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    const next = tabs[tabs.indexOf(name) + step];
    if (step === 0 || !next) return;
    event.preventDefault();
    onOpen(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <button
      type="button"
      role="tab"
      id={`tab-${name}`}
      aria-selected={isActive}
      aria-controls="view"
      tabIndex={isActive ? 0 : -1}
      onClick={() => onOpen(name)}
      onKeyDown={onKeyDown}
    >
      {t(tabNames[name])}
    </button>
  );
}
