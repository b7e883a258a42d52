import { readFile } from 'node:fs/promises';
import { StepError } from './process.mjs';

/**
 * What a run of tests came to; `failures` says which failed and why, in words.
 * @typedef {{ passed: number, failed: number, skipped: number, failures: string[] }} Counts
 */

/** @returns {Counts} */
export const none = () => ({ passed: 0, failed: 0, skipped: 0, failures: [] });

export function add(into, { passed, failed, skipped, failures }) {
  into.passed += passed;
  into.failed += failed;
  into.skipped += skipped;
  into.failures.push(...failures);
  return into;
}

/** Counts of a .trx file as `dotnet test` writes it. */
export async function readTrx(file) {
  const text = await read(file);
  const counter = /<Counters ([^>]*)>/.exec(text)?.[1] ?? '';
  const number = key => Number(new RegExp(`\\b${key}="(\\d+)"`).exec(counter)?.[1] ?? 0);
  const skipped = number('total') - number('executed');
  const failures = [];
  for (const [, attributes, body] of text.matchAll(
    /<UnitTestResult ([^>]*outcome="Failed"[^>]*)>(.*?)<\/UnitTestResult>/gs,
  )) {
    failures.push(describe(attribute(attributes, 'testName'), /<Message>(.*?)<\/Message>/s.exec(body)?.[1]));
  }
  return { passed: number('passed'), skipped, failed: number('executed') - number('passed'), failures };
}

/** Counts of a JUnit file as vitest and node:test write it. */
export async function readJunit(file) {
  const text = await read(file);
  const counts = none();
  for (const [, attributes, body] of text.matchAll(/<testcase\b((?:"[^"]*"|[^">])*?)(?:\/>|>(.*?)<\/testcase>)/gs)) {
    const failure = /<(?:failure|error)\b((?:"[^"]*"|[^">])*)>([^<]*)/s.exec(body ?? '');
    if (failure) {
      counts.failed++;
      counts.failures.push(describe(attribute(attributes, 'name'), failure[2] || attribute(failure[1], 'message')));
    } else if (/<skipped\b/.test(body ?? '')) counts.skipped++;
    else counts.passed++;
  }
  return counts;
}

/** A failed test in a few lines: a build machine may keep no more than the end of the output. */
function describe(name, message = '') {
  const lines = unescaped(message)
    .split('\n')
    .filter(line => line.trim() !== '');
  return [unescaped(name), ...lines.slice(0, 12).map(line => `    ${line.trim().slice(0, 300)}`)].join('\n');
}

function attribute(attributes, name) {
  return new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? '';
}

function unescaped(xml) {
  const named = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };
  return xml
    .replace(/&#(x?)([0-9a-f]+);/gi, (_, hex, digits) => String.fromCodePoint(Number.parseInt(digits, hex ? 16 : 10)))
    .replace(/&(lt|gt|quot|apos|amp);/g, (_, name) => named[name]);
}

function read(file) {
  return readFile(file, 'utf8').catch(() => {
    throw new StepError(`The tests ended without writing their results to ${file}.`);
  });
}
