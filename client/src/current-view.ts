import * as vscode from 'vscode';
import { sameView, type ViewChoice } from '../shared/protocol.js';
import { configuredView } from './settings.js';

/** What tints, hovers and panels show: one choice for the window, so that they never disagree. */
export class CurrentView implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<ViewChoice>();
  private current: ViewChoice;

  readonly onDidChange = this.changed.event;

  constructor(
    private readonly memento: vscode.Memento,
    private readonly key = 'view',
    initial = configuredView(),
  ) {
    // What was changed about a sentence is an experiment of one session.
    const { changes: _, ...kept } = memento.get<ViewChoice>(key) ?? initial;
    this.current = kept;
  }

  get value(): ViewChoice {
    return this.current;
  }

  set(view: ViewChoice): void {
    if (sameView(view, this.current)) return;
    this.current = view;
    void this.memento.update(this.key, view);
    this.changed.fire(view);
  }

  dispose(): void {
    this.changed.dispose();
  }
}
