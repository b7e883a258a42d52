import { createContext } from 'preact';
import { type FromPanel, isToPanel, type PanelMethod, type PanelRequests, type ToPanel } from '../shared/panel.js';

/** What a panel needs from VS Code; tests bring their own. */
export interface VsCodeApi {
  postMessage(message: FromPanel): void;
  getState(): unknown;
  setState(state: unknown): void;
}

declare function acquireVsCodeApi(): VsCodeApi;

/** Longer than any answer takes, model load included (ms); after it the question counts as lost. */
const timeout = 120_000;
/** Measuring takes thousands of passes; whoever waits sees it at work, and can stop it. */
const longTimeout = 3_600_000;

interface Pending {
  resolve(result: unknown): void;
  reject(error: Error): void;
  readonly timer: number;
}

type Event = Exclude<ToPanel, { type: 'reply' } | { type: 'failure' }>;

/** Questions with ids, answers, a way to fail and to give up; everything else goes to the listener. */
export class Transport {
  private readonly pending = new Map<number, Pending>();
  private nextId = 1;

  constructor(
    readonly api: VsCodeApi,
    onEvent: (event: Event) => void,
  ) {
    window.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (!isToPanel(data)) return;
      if (data.type === 'reply') this.take(data.id)?.resolve(data.result);
      else if (data.type === 'failure') this.take(data.id)?.reject(new Error(data.message));
      else onEvent(data);
    });
  }

  static acquire(onEvent: (event: Event) => void): Transport {
    return new Transport(acquireVsCodeApi(), onEvent);
  }

  send(message: FromPanel): void {
    this.api.postMessage(message);
  }

  /** Rejects with an AbortError when the signal fires, and tells the host to stop working on it. */
  ask<M extends PanelMethod>(
    method: M,
    params: PanelRequests[M]['params'],
    signal: AbortSignal,
  ): Promise<PanelRequests[M]['result']> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const timer = window.setTimeout(
        () => this.take(id)?.reject(new Error('timeout')),
        method === 'evaluation' ? longTimeout : timeout,
      );
      // The host answers each method with its own result type: that is what PanelRequests says.
      this.pending.set(id, { resolve: result => resolve(result as PanelRequests[M]['result']), reject, timer });
      signal.addEventListener('abort', () => {
        if (!this.pending.has(id)) return;
        this.send({ type: 'cancel', id });
        this.take(id)?.reject(new DOMException('aborted', 'AbortError'));
      });
      this.send({ type: 'request', id, method, params });
    });
  }

  private take(id: number): Pending | undefined {
    const pending = this.pending.get(id);
    if (pending) clearTimeout(pending.timer);
    this.pending.delete(id);
    return pending;
  }
}

/** For the few components that speak to the host without being part of a view. */
export const TransportContext = createContext<Transport | null>(null);
