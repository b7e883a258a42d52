import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { StepError } from './process.mjs';

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

export const none = () => ({ passed: 0, failed: 0, skipped: 0 });

export function add(into, counts) {
  for (const key of Object.keys(into)) into[key] += counts[key];
  return into;
}

/** Counts of every .trx file in a folder, by test project; what `dotnet test` left there. */
export async function readTrx(folder) {
  const counts = new Map();
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.trx')) continue;
    const text = await readFile(path.join(folder, name), 'utf8');
    const counter = /<Counters ([^>]*)>/.exec(text)?.[1] ?? '';
    const number = key => Number(new RegExp(`\\b${key}="(\\d+)"`).exec(counter)?.[1] ?? 0);
    const project = /codeBase="[^"]*?([^"/\\]+)\.dll"/.exec(text)?.[1];
    if (!project) continue;
    const total = number('total');
    const passed = number('passed');
    const skipped = total - number('executed');
    counts.set(project, add(counts.get(project) ?? none(), { passed, skipped, failed: total - passed - skipped }));
  }
  return counts;
}

/** Counts of a JUnit file as vitest and node:test write it. */
export async function readJunit(file) {
  const text = await readFile(file, 'utf8').catch(() => {
    throw new StepError(`The tests ended without writing their results to ${file}.`);
  });
  const counts = none();
  for (const [, , body] of text.matchAll(/<testcase\b([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs)) {
    if (/<(failure|error)\b/.test(body ?? '')) counts.failed++;
    else if (/<skipped\b/.test(body ?? '')) counts.skipped++;
    else counts.passed++;
  }
  return counts;
}
