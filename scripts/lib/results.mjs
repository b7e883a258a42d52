import { readFile } from 'node:fs/promises';
import { StepError } from './process.mjs';

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

export const none = () => ({ passed: 0, failed: 0, skipped: 0 });

export function add(into, counts) {
  for (const key of Object.keys(into)) into[key] += counts[key];
  return into;
}

/** Counts of a .trx file as `dotnet test` writes it. */
export async function readTrx(file) {
  const text = await read(file);
  const counter = /<Counters ([^>]*)>/.exec(text)?.[1] ?? '';
  const number = key => Number(new RegExp(`\\b${key}="(\\d+)"`).exec(counter)?.[1] ?? 0);
  const skipped = number('total') - number('executed');
  return { passed: number('passed'), skipped, failed: number('executed') - number('passed') };
}

/** Counts of a JUnit file as vitest and node:test write it. */
export async function readJunit(file) {
  const text = await read(file);
  const counts = none();
  for (const [, , body] of text.matchAll(/<testcase\b((?:"[^"]*"|[^">])*?)(?:\/>|>(.*?)<\/testcase>)/gs)) {
    if (/<(failure|error)\b/.test(body ?? '')) counts.failed++;
    else if (/<skipped\b/.test(body ?? '')) counts.skipped++;
    else counts.passed++;
  }
  return counts;
}

function read(file) {
  return readFile(file, 'utf8').catch(() => {
    throw new StepError(`The tests ended without writing their results to ${file}.`);
  });
}
