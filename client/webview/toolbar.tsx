import type { ColorMapName, PanelSettings, Scale } from '../shared/panel.js';
import type { ModelSummary, Pick, StackInfo, View } from '../shared/protocol.js';
import { t } from './strings.js';

interface ToolbarProps {
  readonly model: ModelSummary;
  readonly stacks: readonly StackInfo[];
  readonly view: View;
  readonly settings: PanelSettings;
  readonly isTableOpen: boolean;
  readonly onView: (view: View) => void;
  readonly onSettings: (settings: PanelSettings) => void;
  readonly onTable: () => void;
}

export function Toolbar(props: ToolbarProps) {
  const { model, stacks, view, settings } = props;
  const stack = stacks.find(({ kind }) => kind === view.stack) ?? stacks[0];
  const { layers, heads } = stack ?? model;
  return (
    <div class="toolbar" role="toolbar" aria-label={t('heatmap')}>
      {stacks.length > 1 && (
        <Select
          label={t('stack')}
          value={stack?.kind ?? 'encoder'}
          options={stacks.map(({ kind }) => [kind, t(kind)])}
          onChange={kind => props.onView({ ...view, stack: kind })}
        />
      )}
      <Select
        label={t('layer')}
        value={view.layer}
        options={picks(layers)}
        onChange={layer => props.onView({ ...view, layer })}
      />
      <Select
        label={t('head')}
        value={view.head}
        options={picks(heads)}
        onChange={head => props.onView({ ...view, head })}
      />
      <span class="spacer" />
      <Select
        label={t('scale')}
        value={settings.scale}
        options={scales.map(({ scale, key }) => [scale, t(key)])}
        onChange={scale => props.onSettings({ ...settings, scale })}
      />
      <Select
        label={t('colors')}
        value={settings.colorMap}
        options={colorMaps.map(name => [name, name])}
        onChange={colorMap => props.onSettings({ ...settings, colorMap })}
      />
      <button
        type="button"
        class="icon"
        aria-pressed={props.isTableOpen}
        title={t('table')}
        aria-label={t('table')}
        onClick={props.onTable}
      >
        <span class="codicon codicon-list-flat" aria-hidden="true" />
      </button>
    </div>
  );
}

const scales: readonly { scale: Scale; key: 'scaleLinear' | 'scaleSqrt' | 'scaleLog' }[] = [
  { scale: 'linear', key: 'scaleLinear' },
  { scale: 'sqrt', key: 'scaleSqrt' },
  { scale: 'log', key: 'scaleLog' },
];

const colorMaps: readonly ColorMapName[] = ['lens', 'cividis', 'viridis', 'magma', 'inferno'];

type Option<T> = readonly [value: T, label: string];

const picks = (count: number): Option<Pick>[] => [
  ['mean', t('mean')],
  ...Array.from({ length: count }, (_, index): Option<Pick> => [index, String(index)]),
];

interface SelectProps<T> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly Option<T>[];
  readonly onChange: (value: T) => void;
}

function Select<T extends string | number>({ label, value, options, onChange }: SelectProps<T>) {
  return (
    <label>
      <span>{label}</span>
      <select
        value={String(value)}
        onChange={event => {
          const chosen = options.find(option => String(option[0]) === event.currentTarget.value);
          if (chosen) onChange(chosen[0]);
        }}
      >
        {options.map(([option, text]) => (
          <option key={option} value={String(option)}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
