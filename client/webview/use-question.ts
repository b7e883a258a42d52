import { useEffect, useState } from 'preact/hooks';
import type { PanelMethod, PanelRequests } from '../shared/panel.js';
import { isDrawable, type Result } from '../shared/protocol.js';
import type { Transport } from './transport.js';

export interface Answer<T> {
  /** The latest good answer; kept while a newer one is on its way. */
  readonly value: T | null;
  readonly isWaiting: boolean;
  readonly problem: { readonly status: Result['status']; readonly message: string } | null;
}

/**
 * Asks again whenever the parameters or the generation change, and gives up what it asked before.
 * Null parameters: nothing is asked.
 */
export function useQuestion<M extends PanelMethod>(
  transport: Transport,
  method: M,
  params: PanelRequests[M]['params'] | null,
  generation: number,
): Answer<PanelRequests[M]['result']> {
  const [answer, setAnswer] = useState<Answer<PanelRequests[M]['result']>>({
    value: null,
    isWaiting: params !== null,
    problem: null,
  });
  const key = JSON.stringify(params);
  // Parameters are compared by content, through the key: a new object with the same numbers is no new question.
  useEffect(() => {
    if (!params) return;
    const abort = new AbortController();
    setAnswer(before => ({ ...before, isWaiting: true }));
    transport.ask(method, params, abort.signal).then(
      value => {
        if (abort.signal.aborted) return;
        if (isDrawable(value.status)) setAnswer({ value, isWaiting: false, problem: null });
        else {
          const problem = { status: value.status, message: value.message ?? '' };
          // An overtaken answer is followed by a newer question: what is drawn stays until then.
          setAnswer(before => (value.status === 'stale' ? before : { value: null, isWaiting: false, problem }));
        }
      },
      (error: Error) => {
        if (abort.signal.aborted || error.name === 'AbortError') return;
        setAnswer({ value: null, isWaiting: false, problem: { status: 'failed', message: error.message } });
      },
    );
    return () => abort.abort();
  }, [transport, method, key, generation]);
  return answer;
}
