// The extension host of an adjudication panel, as a function that runs inside the test page. It must not refer to anything outside itself:
// it is sent to the browser as text.
import type { FromAdjudication, ToAdjudication } from '../../../client/shared/adjudication.js';
import type { AdjudicationDecision, AdjudicationPair, Choice } from '../../../client/shared/annotation-protocol.js';

export interface AdjudicationScenario {
  readonly pairs: readonly AdjudicationPair[];
  readonly agreed?: readonly AdjudicationPair[];
  readonly unwritten?: number;
  readonly state?: unknown;
  readonly strings?: Record<string, string>;
  /** What the host does with decisions. */
  readonly decisions?: 'kept' | 'failed' | 'refused';
  /** Nothing can be compared. */
  readonly failure?: string;
}

export interface AdjudicationHost {
  readonly sent: FromAdjudication[];
  readonly post: (message: ToAdjudication) => void;
  /** What the panel would keep over a reload. */
  readonly state: () => unknown;
}

declare global {
  interface Window {
    adjudicationHost: AdjudicationHost;
  }
}

export function installAdjudicationHost(scenario: AdjudicationScenario): void {
  let state: unknown = scenario.state;
  let isAgreedShown = false;
  let pairs = [...scenario.pairs];
  const sent: FromAdjudication[] = [];
  const post = (message: ToAdjudication) => window.postMessage(message, '*');
  const isSame = (pair: AdjudicationPair, { left, right }: AdjudicationDecision) =>
    pair.left?.id === left && pair.right?.id === right;
  const colors = { PER: 'blue', ORG: 'orange', LOC: 'green', met: '#aa3377' };

  const tell = (isAnswer: boolean, changed?: AdjudicationDecision[], problems?: string[]) =>
    post({
      type: 'pairs',
      isAnswer,
      data: {
        pairs: [...pairs, ...(isAgreedShown ? (scenario.agreed ?? []) : [])],
        agreed: scenario.agreed?.length ?? 0,
        unwritten: scenario.unwritten ?? 0,
        colors,
        ...(problems ? { problems } : {}),
      },
      ...(changed ? { changed } : {}),
    });

  const decide = (wanted: (pair: AdjudicationPair) => Choice | undefined) => {
    if (scenario.decisions === 'failed') {
      post({
        type: 'failed',
        isAnswer: true,
        message: 'The annotations could not be written: the folder is read-only.',
      });
      return;
    }
    if (scenario.decisions === 'refused') {
      tell(true, [], ['LOC “New York” lies inside LOC “New York City”, which neither label allows.']);
      return;
    }
    const changed: AdjudicationDecision[] = [];
    pairs = pairs.map(pair => {
      const choice = wanted(pair);
      if (!choice || choice === pair.choice) return pair;
      changed.push({
        ...(pair.left ? { left: pair.left.id } : {}),
        ...(pair.right ? { right: pair.right.id } : {}),
        choice: pair.choice,
      });
      return { ...pair, choice };
    });
    tell(true, changed);
  };

  window.adjudicationHost = { sent, post, state: () => state };
  window.acquireVsCodeApi = () => ({
    getState: () => state,
    setState: (next: unknown) => {
      state = next;
    },
    postMessage: (message: FromAdjudication) => {
      sent.push(structuredClone(message));
      if (message.type === 'ready') {
        isAgreedShown = message.isAgreedShown;
        post({
          type: 'init',
          strings: scenario.strings ?? {},
          target: { uri: 'file:///corpus/letter.txt', name: 'letter.txt', left: 'anna', right: 'bob', into: 'carla' },
        });
      }
      if (message.type === 'ready' || message.type === 'refresh') {
        if (scenario.failure) post({ type: 'failed', isAnswer: false, message: scenario.failure });
        else tell(false);
      } else if (message.type === 'agreed') {
        isAgreedShown = message.isShown;
        tell(false);
      } else if (message.type === 'decide') {
        decide(pair => message.decisions.find(decision => isSame(pair, decision))?.choice);
      } else if (message.type === 'decideAll') {
        // Taking a side takes its silence too.
        decide(pair =>
          pair.choice !== 'open' ? undefined : message.choice === 'left' && !pair.left ? 'neither' : message.choice,
        );
      }
    },
  });
}
