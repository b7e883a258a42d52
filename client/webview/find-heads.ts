import { type Head, measures, type ProfileName } from '../shared/profiles.js';
import { t } from './strings.js';

/** What somebody looks for, read from words. */
export interface Wanted {
  /** Heads that have all of these come first: their product decides. */
  readonly by: readonly ProfileName[];
  readonly layer: number | null;
  readonly like: readonly [layer: number, head: number] | null;
  /** A word that says nothing about heads. */
  readonly unknown: string | null;
}

const fillers = /^(show|find|me|the|all|and|with|in|heads?|tokens?|score)$/;

/** Names as on the command line; people also type what the menu says. */
const names: Readonly<Partial<Record<ProfileName, string>>> = {
  normalizedEntropy: 'entropy',
  meanDistance: 'distance',
};

/** Reads "show me induction heads", "layer 2 previous", "like 3.1", in English or the words of the menu. */
export function readWanted(text: string): Wanted {
  let rest = text.toLowerCase();
  let layer: number | null = null;
  let like: readonly [number, number] | null = null;
  const by: ProfileName[] = [];
  rest = rest.replace(/\blike\s+(\d+)\s*[.·:/]\s*(\d+)/, (_, first: string, second: string) => {
    like = [Number(first), Number(second)];
    by.push('likeness');
    return ' ';
  });
  rest = rest.replace(/\blayer\s+(\d+)/, (_, number: string) => {
    layer = Number(number);
    return ' ';
  });
  // Labels of the menu may hold spaces, and some languages put none between words.
  for (const { name, label } of measures) {
    const shown = t(label).toLowerCase();
    if (name !== 'likeness' && rest.includes(shown)) {
      by.push(name);
      rest = rest.replaceAll(shown, ' ');
    }
  }
  let unknown: string | null = null;
  for (const word of rest.split(/[\s,，、]+/).filter(Boolean)) {
    if (fillers.test(word)) continue;
    const found = measures.find(
      ({ name }) => name !== 'likeness' && (names[name] ?? name).startsWith(word.replace(/s$/, '')),
    );
    if (found) by.push(found.name);
    else unknown ??= word;
  }
  return { by: [...new Set(by)], layer, like, unknown };
}

const rank = ({ profile }: Head, by: readonly ProfileName[]): number =>
  by.reduce((product, name) => product * (profile[name] ?? -1), 1);

/** The heads that fit, best first; in their own order when only a layer is asked for. */
export function findHeads(heads: readonly Head[], { by, layer }: Wanted): Head[] {
  const left = heads.filter(head => layer === null || head.layer === layer);
  return by.length === 0 ? left : left.sort((a, b) => rank(b, by) - rank(a, by));
}
