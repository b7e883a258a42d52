import '@vscode/codicons/dist/codicon.css';
import './panel.css';
import './adjudication.css';
import { render } from 'preact';
import { isAdjudicationState, isToAdjudication } from '../shared/adjudication.js';
import { type AdjudicationApi, AdjudicationSession } from './adjudication-session.js';
import { setStrings } from './strings.js';
import { AdjudicationView } from './views/adjudication-view.js';

declare function acquireVsCodeApi(): AdjudicationApi;

const api = acquireVsCodeApi();
const state = api.getState();
const saved = isAdjudicationState(state) ? state : null;
let session: AdjudicationSession | undefined;
let drawing = 0;

function draw(): void {
  const root = document.getElementById('root');
  if (root && session) render(<AdjudicationView session={session} drawing={++drawing} />, root);
}

window.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
  if (!isToAdjudication(data)) return;
  if (data.type === 'init') {
    setStrings(data.strings);
    session = new AdjudicationSession(data.target, api, saved, draw);
    draw();
  } else session?.receive(data);
});

api.postMessage({ type: 'ready', isAgreedShown: saved?.isAgreedShown ?? false });
