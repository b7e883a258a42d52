import { afterEach, describe, expect, it, vi } from 'vitest';
import { inUsersLanguage, serverSentences, withSentences } from '../../../client/src/server-sentences.js';
import { saidByServer } from './said-by-server.js';
import { env, l10n } from './vscode-stub.js';

afterEach(() => {
  vi.restoreAllMocks();
  env.language = 'en';
});

/** What is asked for in the user's language. */
const asked = () => vi.spyOn(l10n, 't').mockImplementation((text, ...values) => `<${text}|${values.join('|')}>`);

describe('the sentences of the server', () => {
  it('are those that its code says', () => {
    expect([...serverSentences].sort()).toEqual(saidByServer());
    expect(serverSentences.length).toBeGreaterThan(60);
  });

  it.each(serverSentences)('tells "%s" again with its values', sentence => {
    asked();
    const values = [...sentence.matchAll(/\{\d+\}/g)].map((_, index) => `a (${index})\n.*`);
    const said = sentence.replace(/\{(\d+)\}/g, (_, index: string) => values[Number(index)] ?? '');
    expect(inUsersLanguage(said)).toBe(`<${sentence}|${values.join('|')}>`);
  });

  it('leaves what is not known as it is', () => {
    asked();
    expect(inUsersLanguage('config.json: hidden_size is missing')).toBe('config.json: hidden_size is missing');
  });

  it('are told wherever they stand in an answer, and nothing else is touched', () => {
    asked();
    const said = 'The document has changed since.';
    const told = `<${said}|>`;
    const answer = { status: 'failed', message: said, data: said, problems: [said, 'x'], results: [{ message: said }] };
    expect(withSentences(answer)).toEqual(answer);
    env.language = 'zh-cn';
    expect(withSentences(answer)).toEqual({
      ...answer,
      message: told,
      problems: [told, 'x'],
      results: [{ message: told }],
    });
    expect(withSentences(null)).toBe(null);
  });
});
