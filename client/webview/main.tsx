import '@vscode/codicons/dist/codicon.css';
import './panel.css';
import { render } from 'preact';
import { isTab, type Tab, type ToPanel } from '../shared/panel.js';
import { App } from './app.js';
import { setStrings } from './strings.js';
import { Transport } from './transport.js';

let listener: ((event: ToPanel) => void) | undefined;
const early: ToPanel[] = [];

const transport = Transport.acquire(event => {
  if (event.type === 'init') {
    setStrings(event.strings);
    const root = document.getElementById('root');
    if (root) {
      const tab = event.tab ?? savedTab(transport.api.getState()) ?? 'heatmap';
      render(<App transport={transport} settings={event.settings} view={event.view} listen={listen} tab={tab} />, root);
    }
  } else if (listener) listener(event);
  else early.push(event);
});

function listen(next: (event: ToPanel) => void): void {
  listener = next;
  for (const event of early.splice(0)) next(event);
}

function savedTab(state: unknown): Tab | undefined {
  const tab = typeof state === 'object' && state !== null && 'tab' in state ? state.tab : undefined;
  return isTab(tab) ? tab : undefined;
}

transport.send({ type: 'ready' });
