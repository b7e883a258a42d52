import type { MessageKey } from './messages.js';
import type { HeadProfile, HeadTraits } from './protocol.js';

/** Everything that is known of a head; what has not been measured is missing. */
export type Measured = HeadProfile & Partial<HeadTraits> & { readonly likeness?: number };

export type ProfileName = keyof HeadProfile | keyof HeadTraits | 'likeness';

interface Measure {
  readonly name: ProfileName;
  readonly label: MessageKey;
  /** Shares lie between 0 and 1; the others are shown as they are. */
  readonly isShare: boolean;
}

/** What heads can be sorted and filtered by; the order is that of the menu. */
export const measures: readonly Measure[] = [
  { name: 'previous', label: 'profilePrevious', isShare: true },
  { name: 'next', label: 'profileNext', isShare: true },
  { name: 'first', label: 'profileFirst', isShare: true },
  { name: 'separators', label: 'profileSeparators', isShare: true },
  { name: 'same', label: 'profileSame', isShare: true },
  { name: 'induction', label: 'profileInduction', isShare: true },
  { name: 'duplicate', label: 'profileDuplicate', isShare: true },
  { name: 'stability', label: 'profileStability', isShare: true },
  { name: 'max', label: 'profileMax', isShare: true },
  { name: 'normalizedEntropy', label: 'profileEntropy', isShare: true },
  { name: 'meanDistance', label: 'profileDistance', isShare: false },
  { name: 'likeness', label: 'profileLikeness', isShare: true },
];

export interface Head {
  readonly layer: number;
  readonly head: number;
  readonly profile: Measured;
}

export const headsOf = (
  profiles: readonly (readonly HeadProfile[])[],
  traits?: readonly (readonly HeadTraits[])[],
  likeness?: readonly (readonly number[])[],
): Head[] =>
  profiles.flatMap((heads, layer) =>
    heads.map((profile, head) => {
      const alike = likeness?.[layer]?.[head];
      return {
        layer,
        head,
        profile: { ...profile, ...traits?.[layer]?.[head], ...(alike === undefined ? {} : { likeness: alike }) },
      };
    }),
  );

/** Measures that some head has. */
export const measuresOf = (heads: readonly Head[]): readonly Measure[] =>
  measures.filter(({ name }) => heads[0]?.profile[name] !== undefined);

const patterns = measures.filter(({ name }) =>
  ['previous', 'next', 'first', 'separators', 'same', 'induction', 'duplicate'].includes(name),
);

/** The strongest pattern of a head when it holds at least half of the weight. */
export function patternOf(profile: Measured): Measure | null {
  const best = patterns.reduce((a, b) => ((profile[b.name] ?? 0) > (profile[a.name] ?? 0) ? b : a));
  return (profile[best.name] ?? 0) >= 0.5 ? best : null;
}

export const measureOf = (name: ProfileName): Measure =>
  measures.find(measure => measure.name === name) ?? { name, label: 'profileEntropy', isShare: false };

export function formatProfile(profile: Measured, name: ProfileName): string {
  const value = profile[name];
  if (value === undefined) return '–';
  return measureOf(name).isShare ? `${Math.round(value * 100)} %` : value.toFixed(1);
}
