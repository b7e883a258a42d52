import { spawn } from 'node:child_process';
import { executable } from './command-line.mjs';

/** A minimal LSP client on the published server's stdio: frames, ids, and what came that was not asked for. */
export class LanguageClient {
  static #running = new Set();

  static async killAll() {
    await Promise.all([...LanguageClient.#running].map(client => client.kill()));
  }

  #pending = new Map();
  #nextId = 1;
  #buffer = Buffer.alloc(0);
  /** Bytes on stdout that belong to no frame; there must be none. */
  stray = '';
  stderr = '';
  notifications = [];

  constructor(args = ['serve', '--stdio'], options = {}) {
    this.process = spawn(executable, args, options);
    this.process.stdout.on('data', bytes => this.#read(bytes));
    this.process.stderr.setEncoding('utf8').on('data', text => {
      this.stderr += text;
    });
    this.process.stdin.on('error', () => {}); // a server that ended; `exited` tells
    LanguageClient.#running.add(this);
    this.exited = new Promise(resolve =>
      this.process.on('close', (status, signal) => {
        LanguageClient.#running.delete(this);
        resolve({ status, signal });
      }),
    );
  }

  request(method, params) {
    const id = this.#nextId++;
    this.send({ jsonrpc: '2.0', id, method, params });
    return new Promise((resolve, reject) => {
      this.#pending.set(id, ({ result, error }) =>
        error ? reject(Object.assign(new Error(error.message), error)) : resolve(result),
      );
      this.exited.then(({ status }) => reject(new Error(`the server ended with status ${status}: ${this.stderr}`)));
    });
  }

  /** Takes the latest request back; its answer comes all the same. */
  cancelLast() {
    this.notify('$/cancelRequest', { id: this.#nextId - 1 });
  }

  notify(method, params) {
    this.send({ jsonrpc: '2.0', method, params });
  }

  send(message) {
    const body = Buffer.from(JSON.stringify(message));
    this.write(`Content-Length: ${body.length}\r\n\r\n`);
    this.write(body);
  }

  write(bytes) {
    this.process.stdin.write(bytes);
  }

  async initialize(params = {}) {
    const result = await this.request('initialize', { processId: null, rootUri: null, capabilities: {}, ...params });
    this.notify('initialized', {});
    return result;
  }

  open(uri, text, languageId = 'plaintext') {
    this.notify('textDocument/didOpen', { textDocument: { uri, languageId, version: 1, text } });
  }

  /** The ordinary end. */
  async shutdown() {
    await this.request('shutdown');
    this.notify('exit');
    return this.exited;
  }

  kill() {
    this.process.kill('SIGKILL');
    return this.exited;
  }

  #read(bytes) {
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
    for (;;) {
      const end = this.#buffer.indexOf('\r\n\r\n');
      if (end < 0) return;
      const header = this.#buffer.toString('latin1', 0, end);
      const length = /^Content-Length: (\d+)$/im.exec(header)?.[1];
      if (length === undefined || !header.startsWith('Content-')) {
        this.stray += header;
        this.#buffer = this.#buffer.subarray(end + 4);
        continue;
      }
      const total = end + 4 + Number(length);
      if (this.#buffer.length < total) return;
      const message = JSON.parse(this.#buffer.toString('utf8', end + 4, total));
      this.#buffer = this.#buffer.subarray(total);
      this.#dispatch(message);
    }
  }

  #dispatch(message) {
    if (message.method === undefined) {
      this.#pending.get(message.id)?.(message);
      this.#pending.delete(message.id);
    } else if (message.id !== undefined) {
      // window/workDoneProgress/create, workspace/configuration and their like: an empty answer is a legal one.
      this.send({ jsonrpc: '2.0', id: message.id, result: null });
    } else {
      this.notifications.push(message);
    }
  }
}
