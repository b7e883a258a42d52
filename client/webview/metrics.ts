import type { MessageKey } from '../shared/messages.js';

type Texts = readonly [title: MessageKey, means: MessageKey, but: MessageKey];

/** What a measure is called, what it says, and what it does not say. */
export const metricTexts = {
  entropy: ['metricEntropy', 'meansEntropy', 'butEntropy'],
  gini: ['metricGini', 'meansGini', 'butGini'],
  effectiveTokens: ['metricEffectiveTokens', 'meansEffectiveTokens', 'butEffectiveTokens'],
  comprehensiveness: ['metricComprehensiveness', 'meansComprehensiveness', 'butComprehensiveness'],
  sufficiency: ['metricSufficiency', 'meansSufficiency', 'butSufficiency'],
  deletion: ['metricDeletion', 'meansDeletion', 'butDeletion'],
  insertion: ['metricInsertion', 'meansInsertion', 'butDeletion'],
  kendall: ['metricKendall', 'meansKendall', 'butKendall'],
  spearman: ['metricSpearman', 'meansSpearman', 'butKendall'],
  auprc: ['metricAuprc', 'meansAuprc', 'butAuprc'],
  tokenF1: ['metricTokenF1', 'meansTokenF1', 'butAuprc'],
  spanF1: ['metricSpanF1', 'meansSpanF1', 'butSpanF1'],
  robustness: ['metricRobustness', 'meansRobustness', 'butRobustness'],
} as const satisfies Readonly<Record<string, Texts>>;

export type MetricName = keyof typeof metricTexts;
