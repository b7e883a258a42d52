// A person at work, as a seeded stream of what an editor sends: typing, taking back, hovers and tints after it, panels, labels,
// other heads and models, and questions given up. Every request is counted, and so is every answer.

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../../../scripts/lib/paths.mjs';
import { LanguageClient } from './language-client.mjs';

// How often each happens among a hundred steps; a person types far more than anything else.
const habits = {
  type: 52,
  erase: 9,
  hover: 9,
  tints: 12,
  panel: 6,
  giveUp: 5,
  label: 3,
  undoLabel: 1,
  view: 1.6,
  save: 1,
  model: 0.2,
  reopen: 0.2,
};
const words = 'the light keeper had not seen a boat, and nobody wrote home before the storm 灯塔 😊 naïve'.split(' ');
/** ContentModified, RequestCancelled, and InvalidParams of a tile whose text has become shorter on the way, are answers too. */
const lawful = new Set([-32801, -32800, -32602]);

export class EditingSession {
  sent = 0;
  answered = 0;
  /** Answers whose status is neither an answer nor a newer question's. */
  refused = [];

  static async start({ seed = 1, settings = {}, ...options } = {}) {
    const session = new EditingSession();
    session.random = generator(seed);
    session.folder = mkdtempSync(path.join(tmpdir(), 'attentionlens-session-'));
    session.file = path.join(session.folder, 'story.txt');
    writeFileSync(
      path.join(session.folder, 'attention-lens.labels.json'),
      JSON.stringify({
        version: 1,
        spans: [
          { name: 'PER', overlap: true },
          { name: 'LOC', overlap: true },
        ],
      }),
    );
    session.uri = pathToFileURL(session.file).href;
    session.otherModel = path.join(session.folder, 'other-model');
    cpSync(path.join(root, 'models/mini-encoder'), session.otherModel, { recursive: true });
    session.lines = readFileSync(path.join(root, 'samples/lighthouse.txt'), 'utf8').split('\n');
    writeFileSync(session.file, session.text);
    session.version = 1;
    session.client = new LanguageClient(['serve', '--stdio'], options);
    await session.client.initialize({ initializationOptions: settings });
    session.client.open(session.uri, session.text);
    return session;
  }

  get text() {
    return this.lines.join('\n');
  }

  /** Resident memory in MB. */
  get memory() {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.client.process.pid}/status`, 'utf8'))[1]) / 1024;
  }

  /** Open file handles. */
  get handles() {
    return readdirSync(`/proc/${this.client.process.pid}/fd`).length;
  }

  get threads() {
    return readdirSync(`/proc/${this.client.process.pid}/task`).length;
  }

  /** Does `count` things, and waits for the answers of all of them. */
  async work(count) {
    const total = Object.values(habits).reduce((a, b) => a + b);
    const waiting = new Set();
    for (let i = 0; i < count; i++) {
      const habit = drawn(this.random() * total);
      for (const question of this[`do${habit[0].toUpperCase()}${habit.slice(1)}`]() ?? []) {
        waiting.add(question);
        question.finally(() => waiting.delete(question));
      }
      // An editor does not run ahead of its server for ever either.
      if (waiting.size > 40) await Promise.race(waiting);
    }
    await Promise.all(waiting);
  }

  async end() {
    const { status } = await this.client.shutdown();
    rmSync(this.folder, { recursive: true, force: true });
    return status;
  }

  #ask(method, params) {
    this.sent++;
    return this.client.request(method, params).then(
      result => {
        this.answered++;
        const status = result?.status;
        // That a word has this label already is an answer as well.
        const isAnswer =
          !status || ['ok', 'stale', 'truncated', 'empty'].includes(status) || / twice\.$/.test(result.message);
        if (!isAnswer) this.refused.push(`${method}: ${result.message}`);
        return result;
      },
      error => {
        if (!lawful.has(error.code) || (error.code === -32602 && method !== 'attentionLens/tile')) throw error;
        this.answered++;
        return undefined;
      },
    );
  }

  #place() {
    const line = Math.floor(this.random() * this.lines.length);
    return { line, character: this.#column(line) };
  }

  /** Never between the halves of a surrogate pair. */
  #column(line) {
    const text = this.lines[line];
    const at = Math.floor(this.random() * (text.length + 1));
    return /[\udc00-\udfff]/.test(text[at] ?? '') ? at + 1 : at;
  }

  #scope(position = this.#place()) {
    return { textDocument: { uri: this.uri }, range: { start: position, end: position } };
  }

  #edit(start, end, text) {
    const before = this.lines[start.line].slice(0, start.character);
    const after = this.lines[end.line].slice(end.character);
    this.lines.splice(start.line, end.line - start.line + 1, ...`${before}${text}${after}`.split('\n'));
    this.client.notify('textDocument/didChange', {
      textDocument: { uri: this.uri, version: ++this.version },
      contentChanges: [{ range: { start, end }, text }],
    });
  }

  doType() {
    // Most keys go where the last one went.
    if (!this.cursor || this.cursor.line >= this.lines.length || this.random() < 0.1) this.cursor = this.#place();
    const { line } = this.cursor;
    const character = Math.min(this.cursor.character, this.lines[line].length);
    const word = `${words[Math.floor(this.random() * words.length)]} `;
    const text = this.random() < 0.02 && this.lines.length < 80 ? '\n\n' : word;
    this.#edit({ line, character }, { line, character }, text);
    this.cursor = text === '\n\n' ? { line: line + 2, character: 0 } : { line, character: character + text.length };
  }

  doErase() {
    const start = this.#place();
    const rest = this.lines[start.line].slice(start.character);
    if (rest === '') return;
    // Long paragraphs are cut harder, so that the text keeps its size.
    const length = this.lines[start.line].length > 600 ? rest.length : [...rest].slice(0, 6).join('').length;
    this.#edit(start, { line: start.line, character: start.character + length }, '');
  }

  doHover() {
    return [this.#ask('textDocument/hover', { textDocument: { uri: this.uri }, position: this.#place() })];
  }

  doTints() {
    const position = this.cursor ?? this.#place();
    return [this.#ask('attentionLens/tints', { scope: this.#scope(position), position })];
  }

  doPanel() {
    const scope = this.#scope();
    return [
      this.#ask('attentionLens/tokens', { scope }),
      this.#ask('attentionLens/overview', { scope, size: 16 }),
      this.#ask('attentionLens/tile', {
        scope,
        rows: [0, 64],
        columns: [0, 64],
        size: [32, 32],
        view: { layer: 0, head: 0 },
      }),
    ];
  }

  doGiveUp() {
    const question = this.#ask('attentionLens/overview', { scope: this.#scope(), size: 32 });
    this.client.cancelLast();
    return [question];
  }

  doLabel() {
    const { line } = this.#place();
    const found = [...this.lines[line].matchAll(/[a-z]{4,}/g)];
    if (found.length === 0) return undefined;
    const word = found[Math.floor(this.random() * found.length)];
    const range = { start: { line, character: word.index }, end: { line, character: word.index + word[0].length } };
    const label = this.random() < 0.5 ? 'PER' : 'LOC';
    const question = this.#ask('attentionLens/annotate', {
      textDocument: { uri: this.uri },
      version: this.version,
      add: [{ kind: 'span', label, ranges: [range] }],
      title: 'label',
    });
    return [question, this.#ask('attentionLens/annotations', { textDocument: { uri: this.uri } })];
  }

  doUndoLabel() {
    return [this.#ask('attentionLens/annotationHistory', { textDocument: { uri: this.uri }, redo: false })];
  }

  #configure(settings) {
    this.client.notify('workspace/didChangeConfiguration', { settings: { attentionLens: settings } });
  }

  doView() {
    this.#configure({
      layer: Math.floor(this.random() * 4),
      head: this.random() < 0.5 ? 'mean' : Math.floor(this.random() * 4),
    });
  }

  doModel() {
    const scope = { ...this.#scope(), model: this.otherModel };
    return [this.#ask('attentionLens/overview', { scope, size: 16 })];
  }

  doSave() {
    writeFileSync(this.file, this.text);
    this.client.notify('textDocument/didSave', { textDocument: { uri: this.uri } });
  }

  doReopen() {
    writeFileSync(this.file, this.text);
    this.client.notify('textDocument/didClose', { textDocument: { uri: this.uri } });
    this.version = 1;
    this.client.open(this.uri, this.text);
  }
}

function drawn(left) {
  for (const [habit, share] of Object.entries(habits)) {
    if (left < share) return habit;
    left -= share;
  }
  return 'type';
}

/** mulberry32: small, and the same everywhere. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** What must hold of any session, however long. */
export function assertAnswered({ sent, answered, client }) {
  assert.equal(answered, sent, 'every request has its answer');
  assert.equal(client.stray, '', 'nothing else on stdout');
  assert.doesNotMatch(client.stderr, /Unhandled|Exception/);
}
