// Every file of samples/, and one of 5 MB, through the published server as the VS Code extension asks it: does each
// tint stand on the characters that its token was read from?

import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { writeLargeSample } from '../../scripts/lib/large-sample.mjs';
import { root } from '../../scripts/lib/paths.mjs';
import { LanguageClient } from './lib/language-client.mjs';

const limit = { timeout: 300_000 };
const folder = path.join(root, 'samples');
const view = { layer: 'mean', head: 'mean' };

const json = written => JSON.parse(`"${written.replaceAll(/[\n\t]/g, ' ')}"`);
const entities = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", rsquo: '’', nbsp: ' ', eacute: 'é' };
const markup = written =>
  written.replaceAll(/&(\w+);/g, (reference, name) => entities[name] ?? reference).replaceAll(/<[^>]*>/g, '');
const csv = written => written.replaceAll('""', '"');

/** Language ids are VS Code's. `reads`: is text to the model; `skips`: is not, wherever it stands in the file. */
const samples = {
  'agreement.txt': { reads: ['The'] },
  'ambiguity.txt': { reads: ['The'] },
  'attention.py': { language: 'python', reads: ['softmax', 'exp cannot overflow'] },
  'chinese.txt': { reads: ['灯'] },
  'coreference.txt': { reads: ['because'] },
  'entities.conll': { reads: ['Lindqvist', 'Bergen'], skips: ['B-PER', 'NNP', '-DOCSTART-'] },
  'letter.xml': { language: 'xml', decode: markup, reads: ['Captain Holm', 'complained'], skips: ['persName', 'TEI'] },
  'lighthouse.txt': { reads: ['lighthouse'] },
  'manual.txt': { reads: ['button', 'Fehlermeldung'], skips: ['|||'] },
  'messages.json': {
    language: 'json',
    decode: json,
    reads: ['caf\\u00e9', 'closed until spring', '\\ud83d\\ude2e', '\\u05d4', '🗺'],
    skips: ['sender', 'conversation'],
  },
  'page.html': { language: 'html', decode: markup, reads: ['eleven', 'daughter'], skips: ['max-width', 'not prose'] },
  'pairs.tsv': { reads: ['asleep', 'Somebody'], skips: ['hypothesis', 'entailment'] },
  'parallel.de': { reads: ['Lampe', 'Strand'] },
  'parallel.en': { reads: ['lamp', 'beach'] },
  'questions.csv': { decode: csv, reads: ['captain call', 'the old chart', 'still marked'], skips: ['question,'] },
  'reading-attention.md': { language: 'markdown', reads: ['Put the cursor', 'neighbours'], skips: ['```'] },
  'rationales.jsonl': { language: 'jsonl', decode: json, reads: ['soup', '😀'], skips: ['rationales', 'negative'] },
  'repetition.txt': { reads: ['copper lantern', 'twice'] },
  'reviews.jsonl': { language: 'jsonl', decode: json, reads: ['soup', 'waited'], skips: ['label', 'negative'] },
  'translations.txt': { reads: ['lamp', 'Lampe', '🗺'], skips: ['|||'] },
  'trees.conllu': { reads: ['cabinet', "Don't"], skips: ['PRON', 'nmod', 'sent_id'] },
  'unicode.txt': { reads: ['Mädchen', '図書館', '公园', 'שלום', 'سلام'] },
  'windows.txt': { reads: ['byte order mark', 'second paragraph'], skips: ['\ufeff'] },
};

let client;
before(async () => {
  client = new LanguageClient();
  await client.initialize();
});
after(async () => {
  await client.shutdown();
});

/** Offsets of a document, as a client counts them. */
class Lines {
  constructor(text) {
    this.text = text;
    this.starts = [0];
    for (const { index, 0: end } of text.matchAll(/\r\n|\r|\n/g)) this.starts.push(index + end.length);
  }
  offset = ({ line, character }) => this.starts[line] + character;
  slice = ({ start, end }) => this.text.slice(this.offset(start), this.offset(end));
}

/** As the vocabulary spells it: small letters, no accents, no mark of a continued word. */
const spelled = text =>
  text
    .normalize('NFD')
    .replaceAll(/\p{Mn}/gu, '')
    .toLowerCase();

function places(text, words) {
  const found = [];
  for (let at = text.indexOf(words); at >= 0; at = text.indexOf(words, at + 1)) found.push(at);
  return found;
}

const splitsPair = (text, at) => /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(at - 1, at + 1));

/** Asks about every line of a document as *Show Attention* with the cursor at its first word does. */
async function readThrough(uri, text, { language = 'plaintext', decode = text => text }, lineNumbers) {
  client.open(uri, text, language);
  const lines = new Lines(text);
  const read = new Uint8Array(text.length);
  let [tokenCount, unknown] = [0, 0];
  const seen = new Set();
  for (const line of lineNumbers ?? lines.starts.keys()) {
    const content = text.slice(lines.starts[line], lines.starts[line + 1]).replace(/[\r\n]+$/, '');
    const at = { line, character: Math.max(0, content.search(/\p{L}/u)) };
    const scope = { textDocument: { uri }, range: { start: at, end: at } };
    const tokens = await client.request('attentionLens/tokens', { scope });
    if (tokens.status === 'empty') continue;
    assert(['ok', 'truncated'].includes(tokens.status), `${uri}:${line + 1}: ${tokens.status} ${tokens.message}`);
    const key = JSON.stringify(tokens.range);
    if (seen.has(key) && tokens.status === 'ok') continue;
    seen.add(key);
    const placed = tokens.tokens.filter(token => token.range);
    for (const { text: token, range, inPair } of placed) {
      if (inPair) continue;
      const [start, end] = [lines.offset(range.start), lines.offset(range.end)];
      assert(start < end, `${uri}:${line + 1}: ${token} stands on nothing`);
      assert(!splitsPair(text, start) && !splitsPair(text, end), `${uri}:${line + 1}: ${token} splits a character`);
      read.fill(1, start, end);
      tokenCount++;
      if (token === '[UNK]') unknown++;
      else assert.equal(spelled(decode(text.slice(start, end))), token.replace(/^##/, ''), `${uri}:${line + 1}`);
    }
    const query = placed.find(({ inPair }) => !inPair);
    const tints = await client.request('attentionLens/tints', {
      scope,
      view,
      pinned: true,
      position: query.range.start,
    });
    assert.equal(tints.mode, 'row');
    assert.deepEqual(tints.query, query.range);
    const own = placed
      .filter(({ inPair }) => !inPair)
      .map(({ range, index }) => [range.start.line, range.start.character, range.end.line, range.end.character, index]);
    assert.deepEqual(tints.tokens, own.flat(), `${uri}:${line + 1}`);
    assert(tints.buckets.every(bucket => bucket >= 0 && bucket <= 11));
  }
  client.notify('textDocument/didClose', { textDocument: { uri } });
  const isRead = at => read[at] === 1;
  return { isRead, tokenCount, unknown, segments: seen.size };
}

describe('samples', () => {
  test('all are in this test', async () => {
    const files = (await readdir(folder)).filter(
      // Pages about the samples, notebooks (below), what npm start writes, pictures, and what belongs to a text but is none.
      name => !/^README\.md$|^large\.txt$|\.(ipynb|png|jpe?g|labels\.json|al\.jsonl)$/.test(name),
    );
    assert.deepEqual(files.sort(), Object.keys(samples).sort());
  });

  for (const [name, sample] of Object.entries(samples)) {
    test(name, limit, async t => {
      const text = await readFile(path.join(folder, name), 'utf8');
      const uri = pathToFileURL(path.join(folder, name)).href;
      const { isRead, tokenCount, unknown, segments } = await readThrough(uri, text, sample);
      for (const words of sample.reads) {
        const isText = at => words.split('').every((c, i) => isRead(at + i) || !/[\p{L}\p{N}]/u.test(c));
        assert(places(text, words).some(isText), `${words} is read`);
      }
      for (const words of sample.skips ?? []) {
        for (const at of places(text, words)) {
          for (let i = 0; i < words.length; i++) assert(!isRead(at + i), `${words} at ${at} is not text`);
        }
      }
      t.diagnostic(`${segments} segments, ${tokenCount} tokens, ${unknown} unknown to the vocabulary`);
    });
  }

  test('cells of the notebook', limit, async () => {
    const { cells } = JSON.parse(await readFile(path.join(folder, 'attention-by-hand.ipynb'), 'utf8'));
    const documents = cells.map(({ cell_type, source }, i) => ({
      uri: `vscode-notebook-cell:/attention-by-hand.ipynb#${i}`,
      languageId: cell_type === 'code' ? 'python' : 'markdown',
      version: 1,
      text: source.join(''),
    }));
    client.notify('notebookDocument/didOpen', {
      notebookDocument: {
        uri: 'file:///attention-by-hand.ipynb',
        notebookType: 'jupyter-notebook',
        version: 1,
        cells: [],
      },
      cellTextDocuments: documents,
    });
    for (const { uri, text } of documents) {
      const at = { line: 0, character: 2 };
      const { status, tokens } = await client.request('attentionLens/tokens', {
        scope: { textDocument: { uri }, range: { start: at, end: at } },
      });
      assert.equal(status, 'ok');
      const lines = new Lines(text);
      for (const { text: token, range } of tokens.filter(({ range, text }) => range && text !== '[UNK]')) {
        assert.equal(spelled(lines.slice(range)), token.replace(/^##/, ''));
      }
    }
  });

  test('five megabytes', limit, async t => {
    const temporary = await mkdtemp(path.join(tmpdir(), 'attentionlens-large-'));
    try {
      const text = await readFile(await writeLargeSample(temporary), 'utf8');
      assert(Buffer.byteLength(text) >= 5e6);
      const count = text.split('\n').length;
      const some = [0, 1, Math.floor(count / 3), Math.floor(count / 2), count - 2];
      const { tokenCount } = await readThrough('file:///large.txt', text, {}, some);
      t.diagnostic(`${count} lines, ${tokenCount} tokens looked at`);
    } finally {
      await rm(temporary, { recursive: true });
    }
  });
});

describe('what is no good text', () => {
  const at = (line, character) => ({ start: { line, character }, end: { line, character } });
  const ask = (uri, range) =>
    client.request('attentionLens/tints', { scope: { textDocument: { uri }, range }, view, position: range.start });
  const problems = async uri => (await client.request('textDocument/diagnostic', { textDocument: { uri } })).items;

  test('Latin-1 bytes read as UTF-8: shown, and said where', limit, async () => {
    const text = new TextDecoder().decode(Buffer.from('The caf\xe9 was closed.\nNot the bar.', 'latin1'));
    client.open('file:///latin.txt', text);
    assert.equal((await ask('file:///latin.txt', at(0, 5))).status, 'ok');
    const [problem, ...more] = await problems('file:///latin.txt');
    assert.deepEqual(
      [problem.code, problem.range, more],
      ['undecodable', { start: { line: 0, character: 7 }, end: { line: 0, character: 8 } }, []],
    );
  });

  for (const [name, language, text, line] of [
    ['bad.conll', 'plaintext', 'Ada NNP B-PER\nsleeps\n\nBergen NNP B-LOC\n', 1],
    ['bad.jsonl', 'jsonl', '{"text": "one"}\n{"text": "two\n{"text": "three"}\n', 1],
    ['bad.json', 'json', '{"text": "one two", "more": [1, 2\n', 0],
    ['bad.xml', 'xml', '<text><p>one two</p><p>three</text>', 0],
  ]) {
    test(`malformed ${name}: the rest is read, and the place is said`, limit, async () => {
      const uri = `file:///${name}`;
      client.open(uri, text, language);
      const found = await problems(uri);
      assert(found.length > 0 && found.every(({ code, message }) => code === 'malformed' && /\.$/.test(message)));
      assert(
        found.some(({ range }) => range.start.line === line),
        JSON.stringify(found),
      );
      const first = text.search(/one|Ada/);
      assert.equal((await ask(uri, at(0, first + 1))).status, 'ok');
      if (name.endsWith('l') && name !== 'bad.xml') {
        assert.equal(
          (
            await ask(
              uri,
              at(
                text.split('\n').findIndex(l => /three|Bergen/.test(l)),
                11,
              ),
            )
          ).status,
          'ok',
        );
      }
    });
  }

  test('an empty file: nothing to show, no problem', limit, async () => {
    client.open('file:///empty.txt', '');
    assert.equal((await ask('file:///empty.txt', at(0, 0))).status, 'empty');
    assert.deepEqual(await problems('file:///empty.txt'), []);
  });

  test('five megabytes in one line: the part around the cursor', limit, async () => {
    const text = 'word after word '.repeat(330_000);
    client.open('file:///line.txt', text);
    const middle = 16 * 165_000;
    const tints = await ask('file:///line.txt', at(0, middle + 2));
    assert.equal(tints.status, 'truncated');
    assert.match(tints.message, /around the cursor/);
    assert.deepEqual(tints.query, { start: { line: 0, character: middle }, end: { line: 0, character: middle + 4 } });
    const [{ code }] = await problems('file:///line.txt');
    assert.equal(code, 'window');
  });
});
