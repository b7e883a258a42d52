import type { MessageKey } from './messages.js';
import type { HeadProfile } from './protocol.js';

export type ProfileName = keyof HeadProfile;

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
  { name: 'max', label: 'profileMax', isShare: true },
  { name: 'normalizedEntropy', label: 'profileEntropy', isShare: true },
  { name: 'meanDistance', label: 'profileDistance', isShare: false },
];

export interface Head {
  readonly layer: number;
  readonly head: number;
  readonly profile: HeadProfile;
}

export const headsOf = (profiles: readonly (readonly HeadProfile[])[]): Head[] =>
  profiles.flatMap((heads, layer) => heads.map((profile, head) => ({ layer, head, profile })));

/** The strongest pattern of a head when it holds at least half of the weight. */
export function patternOf(profile: HeadProfile): Measure | null {
  const patterns = measures.filter(
    ({ name }) => name !== 'max' && name !== 'normalizedEntropy' && name !== 'meanDistance',
  );
  const best = patterns.reduce((a, b) => (profile[b.name] > profile[a.name] ? b : a));
  return profile[best.name] >= 0.5 ? best : null;
}

export const measureOf = (name: ProfileName): Measure =>
  measures.find(measure => measure.name === name) ?? { name, label: 'profileEntropy', isShare: false };

export const formatProfile = (profile: HeadProfile, name: ProfileName): string =>
  measureOf(name).isShare ? `${Math.round(profile[name] * 100)} %` : profile[name].toFixed(1);
