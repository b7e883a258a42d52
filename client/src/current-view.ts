import * as vscode from 'vscode';
import { sameView, type View } from '../shared/protocol.js';
import { configuredView } from './settings.js';

/** The layer and head that tints, hovers and panels show: one for the window, so that they never disagree. */
export class CurrentView implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<View>();
  private current: View;

  readonly onDidChange = this.changed.event;

  constructor(
    private readonly memento: vscode.Memento,
    private readonly key = 'view',
    initial = configuredView(),
  ) {
    this.current = memento.get<View>(key) ?? initial;
  }

  get value(): View {
    return this.current;
  }

  set(view: View): void {
    if (sameView(view, this.current)) return;
    this.current = view;
    void this.memento.update(this.key, view);
    this.changed.fire(view);
  }

  dispose(): void {
    this.changed.dispose();
  }
}
