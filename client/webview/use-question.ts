import { useEffect, useMemo, useState } from 'preact/hooks';
import type { PanelMethod, PanelRequests } from '../shared/panel.js';
import { isDrawable, type Result } from '../shared/protocol.js';
import type { Transport } from './transport.js';

export interface Problem {
  readonly status: Result['status'];
  readonly message: string;
}

export interface Answer<T> {
  /** The latest good answer; kept while a newer one is on its way. */
  readonly value: T | null;
  readonly isWaiting: boolean;
  readonly problem: Problem | null;
}

/** A good answer with the question that it answers. */
export interface Answered<M extends PanelMethod> {
  readonly params: PanelRequests[M]['params'];
  readonly result: PanelRequests[M]['result'];
}

/**
 * Asks several questions at once, again whenever their parameters or the generation change, and gives up what it asked
 * before. The answer is complete or not there.
 */
export function useQuestions<M extends PanelMethod>(
  transport: Transport,
  method: M,
  list: readonly PanelRequests[M]['params'][],
  generation: number,
): Answer<readonly Answered<M>[]> {
  const [answer, setAnswer] = useState<Answer<readonly Answered<M>[]>>({
    value: null,
    isWaiting: list.length > 0,
    problem: null,
  });
  // Parameters are compared by content, through the key: a new object with the same numbers is no new question.
  const key = JSON.stringify(list);
  useEffect(() => {
    if (list.length === 0) {
      setAnswer(before => (before.isWaiting ? { ...before, isWaiting: false } : before));
      return;
    }
    const abort = new AbortController();
    setAnswer(before => ({ ...before, isWaiting: true }));
    Promise.all(list.map(params => transport.ask(method, params, abort.signal))).then(
      results => {
        if (abort.signal.aborted) return;
        const bad = results.find(result => !isDrawable(result.status));
        if (!bad) {
          const value = results.flatMap((result, index) => {
            const params = list[index];
            return params ? [{ params, result }] : [];
          });
          setAnswer({ value, isWaiting: false, problem: null });
        } else if (bad.status !== 'stale') {
          // An overtaken answer is followed by a newer question: what is drawn stays until then.
          setAnswer({ value: null, isWaiting: false, problem: { status: bad.status, message: bad.message ?? '' } });
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

/** One question; null parameters: nothing is asked. */
export function useQuestion<M extends PanelMethod>(
  transport: Transport,
  method: M,
  params: PanelRequests[M]['params'] | null,
  generation: number,
): Answer<PanelRequests[M]['result']> & { readonly asked: PanelRequests[M]['params'] | null } {
  const { value, isWaiting, problem } = useQuestions(transport, method, params ? [params] : [], generation);
  return useMemo(
    () => ({ value: value?.[0]?.result ?? null, asked: value?.[0]?.params ?? null, isWaiting, problem }),
    [value, isWaiting, problem],
  );
}
