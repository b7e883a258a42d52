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
      const saved = savedState(transport.api.getState());
      const tab = event.tab ?? saved.tab ?? 'heatmap';
      const { settings, view } = event;
      render(<App {...{ transport, settings, view, listen, tab }} isTableOpen={saved.isTableOpen} />, root);
    }
  } else if (listener) listener(event);
  else early.push(event);
});

function listen(next: (event: ToPanel) => void): void {
  listener = next;
  for (const event of early.splice(0)) next(event);
}

/** What the panel looked like before it was hidden or the window was reloaded. */
function savedState(state: unknown): { tab: Tab | undefined; isTableOpen: boolean } {
  if (typeof state !== 'object' || state === null) return { tab: undefined, isTableOpen: false };
  return {
    tab: 'tab' in state && isTab(state.tab) ? state.tab : undefined,
    isTableOpen: 'isTableOpen' in state && state.isTableOpen === true,
  };
}

transport.send({ type: 'ready' });
