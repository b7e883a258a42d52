// The reference implementation (Rust, through its Node.js binding), with ranges in UTF-16 code units.
import { createRequire } from 'node:module';

const { Tokenizer } = createRequire(import.meta.url)('tokenizers');

export class Reference {
  #tokenizer;

  constructor(tokenizer) {
    tokenizer.disableTruncation();
    tokenizer.disablePadding();
    this.#tokenizer = tokenizer;
  }

  static fromFile = file => new Reference(Tokenizer.fromFile(file));

  static fromJson = json => new Reference(Tokenizer.fromString(JSON.stringify(json)));

  /** [id, start, end] of every token. The binding reads a lone surrogate as U+FFFD, and counts code points. */
  async encode(text, pair = null) {
    const encoding = await this.#tokenizer.encode(text, pair);
    const units = [utf16(text), pair === null ? [0] : utf16(pair)];
    const offsets = encoding.getOffsets();
    const sequences = encoding.getSequenceIds();
    return encoding.getIds().map((id, i) => [id, ...offsets[i].map(at => units[sequences[i] ?? 0][at])]);
  }

  async decode(text) {
    return this.#tokenizer.decode((await this.#tokenizer.encode(text)).getIds(), true);
  }
}

function utf16(text) {
  const result = [0];
  let at = 0;
  for (const c of text) {
    at += c.length;
    result.push(at);
  }
  return result;
}
