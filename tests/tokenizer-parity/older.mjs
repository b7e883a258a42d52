// Folders from before tokenizer.json, made of real vocabularies, and for each the tokenizer.json that transformers' conversion
// (convert_slow_tokenizer.py) makes of such files: the reference reads that, AttentionLens the files.

import { precompiled } from './components.mjs';

/** Files by name and the reference's tokenizer.json, for each kind of folder. */
export function older({ wordPiece, bytePair, sentencePiecePairs, gemma, lines }) {
  const result = {};
  const add = (name, files, json) => {
    result[name] = { files, json };
  };

  // vocab.txt
  for (const [name, options] of Object.entries({
    bert: {},
    'bert-cased': { do_lower_case: false },
    'bert-accents': { strip_accents: false },
    'bert-no-chinese': { tokenize_chinese_chars: false, strip_accents: true, do_lower_case: false },
  })) {
    const lowercase = options.do_lower_case ?? true;
    add(
      `vocab.txt, ${name}`,
      {
        'vocab.txt': byId(wordPiece.model.vocab)
          .map(token => `${token}\n`)
          .join(''),
        'config.json': JSON.stringify({ model_type: 'bert' }),
        'tokenizer_config.json': JSON.stringify(options),
      },
      {
        ...wordPiece,
        normalizer: {
          type: 'BertNormalizer',
          clean_text: true,
          handle_chinese_chars: options.tokenize_chinese_chars ?? true,
          strip_accents: options.strip_accents ?? null,
          lowercase,
        },
      },
    );
  }

  // vocab.json and merges.txt, on Qwen's pairs
  const pairs = bytePair.model.merges.map(merge => (Array.isArray(merge) ? merge : merge.split(' ')));
  const mergeFile = (list = pairs) => `#version: 0.2\n${list.map(pair => `${pair.join(' ')}\n`).join('')}`;
  const merged = list => ({
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: '',
    end_of_word_suffix: '',
    fuse_unk: false,
    byte_fallback: false,
    merges: list,
  });
  const numbered = (tokens, vocab = bytePair.model.vocab) => {
    const result = { ...vocab };
    for (const token of tokens) result[token] ??= Object.keys(vocab).length + tokens.indexOf(token);
    return result;
  };
  const byteLevel = (options = {}) => ({
    type: 'ByteLevel',
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: true,
    ...options,
  });
  const gpt2 = numbered(['<|endoftext|>']);
  for (const add_prefix_space of [false, true]) {
    add(
      `vocab.json, gpt2${add_prefix_space ? ' with a space before' : ''}`,
      {
        'vocab.json': JSON.stringify(gpt2),
        'merges.txt': mergeFile(),
        'config.json': JSON.stringify({ model_type: 'gpt2' }),
        'tokenizer_config.json': JSON.stringify({ add_prefix_space }),
      },
      tokenizer({
        pre_tokenizer: byteLevel({ add_prefix_space }),
        model: { ...merged(pairs), vocab: gpt2 },
        post_processor: byteLevel({ trim_offsets: false }),
        added_tokens: special(gpt2, '<|endoftext|>'),
      }),
    );
  }
  const roberta = numbered(['<s>', '<pad>', '</s>', '<unk>', '<mask>']);
  for (const model_type of ['roberta', 'longformer', 'bart']) {
    add(
      `vocab.json, ${model_type}`,
      {
        'vocab.json': JSON.stringify(roberta),
        'merges.txt': mergeFile(),
        'config.json': JSON.stringify({ model_type }),
      },
      tokenizer({
        pre_tokenizer: byteLevel(),
        model: { ...merged(pairs), vocab: roberta },
        post_processor: {
          type: 'RobertaProcessing',
          cls: ['<s>', roberta['<s>']],
          sep: ['</s>', roberta['</s>']],
          trim_offsets: true,
          add_prefix_space: false,
        },
        added_tokens: special(roberta, '<s>', '<pad>', '</s>', '<unk>', ['<mask>', { lstrip: true }]),
      }),
    );
  }
  const qwen = numbered(['<|endoftext|>']);
  add(
    'vocab.json, qwen2',
    {
      'vocab.json': JSON.stringify(qwen),
      'merges.txt': mergeFile(),
      'config.json': JSON.stringify({ model_type: 'qwen2' }),
    },
    { ...bytePair, model: { ...merged(pairs), vocab: qwen }, added_tokens: special(qwen, '<|endoftext|>') },
  );
  const clipPairs = endedPairs(lines);
  const clip = numbered(['<|startoftext|>', '<|endoftext|>'], clipPairs.vocab);
  add(
    'vocab.json, clip',
    {
      'vocab.json': JSON.stringify(clip),
      'merges.txt': mergeFile(clipPairs.merges),
      'config.json': JSON.stringify({ model_type: 'clip' }),
    },
    tokenizer({
      normalizer: sequence('normalizers', [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ]),
      pre_tokenizer: sequence('pretokenizers', [
        {
          type: 'Split',
          pattern: { Regex: "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+" },
          behavior: 'Removed',
          invert: true,
        },
        byteLevel(),
      ]),
      model: { ...merged(clipPairs.merges), vocab: clip, unk_token: '<|endoftext|>', end_of_word_suffix: '</w>' },
      post_processor: {
        type: 'RobertaProcessing',
        cls: ['<|startoftext|>', clip['<|startoftext|>']],
        sep: ['<|endoftext|>', clip['<|endoftext|>']],
        trim_offsets: false,
        add_prefix_space: false,
      },
      added_tokens: special(clip, '<|startoftext|>', '<|endoftext|>'),
    }),
  );

  // SentencePiece, pairs: the model that Llama 2's and Gemma's tokenizer.json were made from, with the order of the merges as scores
  for (const [name, json] of Object.entries({ llama: sentencePiecePairs, gemma })) {
    const rank = new Map();
    for (const merge of json.model.merges) {
      const piece = Array.isArray(merge) ? merge.join('') : merge.replace(' ', '');
      if (!rank.has(piece)) rank.set(piece, rank.size);
    }
    const control = new Set(name === 'llama' ? ['<s>', '</s>'] : ['<pad>', '<eos>', '<bos>']);
    const user = new Set(json.added_tokens.map(token => token.content));
    const pieces = byId(json.model.vocab).map(text => {
      const kind = control.has(text)
        ? 3
        : text === '<unk>'
          ? 2
          : /^<0x[0-9A-F]{2}>$/.test(text)
            ? 6
            : user.has(text)
              ? 4
              : 1;
      return [text, kind === 1 ? -(rank.get(text) ?? rank.size) : 0, kind];
    });
    const spm = sentencePiece(pieces, { type: 2, bytes: true });
    const files = { 'tokenizer.model': spm, 'config.json': JSON.stringify({ model_type: name }) };
    add(`tokenizer.model, ${name}`, files, json);
    if (name === 'llama') {
      // Added after training, as fine-tuned models have them.
      const size = pieces.length;
      const added = { '<|im_start|>': size, '<|im_end|>': size + 1, '[MASK]': size + 2 };
      add(
        'tokenizer.model, llama with added_tokens.json',
        { ...files, 'added_tokens.json': JSON.stringify(added) },
        {
          ...json,
          added_tokens: [
            ...json.added_tokens,
            ...special(added, ...Object.keys(added).map(token => [token, { special: false, normalized: true }])),
          ],
        },
      );
      const listed = special(
        added,
        '<|im_start|>',
        ['<|im_end|>', { rstrip: true }],
        ['[MASK]', { lstrip: true, special: false }],
      );
      add(
        'tokenizer.model, llama with added_tokens_decoder',
        {
          ...files,
          'tokenizer_config.json': JSON.stringify({
            added_tokens_decoder: Object.fromEntries(listed.map(({ id, ...token }) => [id, token])),
          }),
        },
        { ...json, added_tokens: [...json.added_tokens, ...listed] },
      );
    }
  }

  // SentencePiece, unigram: the pieces of Gemma's vocabulary that are common, scored by their rank as word frequencies fall
  const charsmap = precompiled({
    ﬁ: 'fi',
    ﷺ: 'صلى الله',
    '\u00a0': ' ',
    '\u3000': ' ',
    ｶ: 'カ',
    '①': '1',
    'e\u0301': 'é',
    '\n': ' ',
    '\t': ' ',
  });
  const common = byId(gemma.model.vocab)
    .filter(text => !/^<.*>$/s.test(text) && !/[\n\t]/.test(text))
    .slice(0, 40_000);
  const scored = [...new Set([...common, ...'9,', '9,', '12,', '▁1,'])].map((text, i) => [
    text,
    Math.fround(-5 - Math.log(i + 1)),
    1,
  ]);
  const normalizer = sequence('normalizers', [
    { type: 'Precompiled', precompiled_charsmap: charsmap },
    { type: 'Strip', strip_left: false, strip_right: true },
    { type: 'Replace', pattern: { Regex: ' {2,}' }, content: '▁' },
  ]);
  const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true };
  const unigram = (vocab, unk_id) => ({ type: 'Unigram', unk_id, vocab, byte_fallback: false });
  const scores = pieces => pieces.map(([text, score]) => [text, score]);
  const numbers = vocab => Object.fromEntries(vocab.map(([text], id) => [text, id]));
  const spiece = (name, file, model_type, pieces, vocab, unknown, parts, specials, config = {}) => {
    const id = numbers(vocab);
    add(
      `${file}, ${name}`,
      {
        [file]: sentencePiece(pieces, { type: 1, charsmap }),
        'config.json': JSON.stringify({ model_type }),
        'tokenizer_config.json': JSON.stringify(config),
      },
      tokenizer({
        normalizer,
        pre_tokenizer: metaspace,
        model: unigram(vocab, unknown),
        ...parts(id),
        added_tokens: special(id, ...specials),
      }),
    );
  };
  const template = (single, pair, id) => ({
    post_processor: {
      type: 'TemplateProcessing',
      single: single.map(part),
      pair: pair.map(part),
      special_tokens: Object.fromEntries(
        [...single, ...pair]
          .filter(text => !text.startsWith('$'))
          .map(text => [text, { id: text, ids: [id[text]], tokens: [text] }]),
      ),
    },
  });

  const t5 = [['<pad>', 0, 3], ['</s>', 0, 3], ['<unk>', 0, 2], ...scored];
  const extra = Array.from({ length: 100 }, (_, i) => `<extra_id_${99 - i}>`);
  spiece(
    't5',
    'spiece.model',
    't5',
    t5,
    [...scores(t5), ...extra.map(text => [text, 0])],
    2,
    id => template(['$A', '</s>'], ['$A', '</s>', '$B', '</s>'], id),
    ['<pad>', '</s>', '<unk>', ...extra],
  );
  const albert = [['<pad>', 0, 3], ['<unk>', 0, 2], ['[CLS]', 0, 3], ['[SEP]', 0, 3], ['[MASK]', 0, 3], ...scored];
  for (const [name, config] of Object.entries({
    albert: {},
    'albert-cased': { do_lower_case: false, keep_accents: true },
  })) {
    spiece(
      name,
      'spiece.model',
      'albert',
      albert,
      albert.map(([text, score]) => [text, /[\p{Nd}],$/u.test(text) ? score - 100 : score]),
      1,
      id => ({
        ...template(['[CLS]', '$A', '[SEP]'], ['[CLS]', '$A', '[SEP]', '$B', '[SEP]'], id),
        normalizer: sequence('normalizers', [
          { type: 'Replace', pattern: { String: '``' }, content: '"' },
          { type: 'Replace', pattern: { String: "''" }, content: '"' },
          ...(config.keep_accents ? [] : [{ type: 'NFKD' }, { type: 'StripAccents' }]),
          ...(config.do_lower_case === false ? [] : [{ type: 'Lowercase' }]),
          { type: 'Precompiled', precompiled_charsmap: charsmap },
          { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' },
        ]),
      }),
      ['[CLS]', '[SEP]', '<pad>', '<unk>', ['[MASK]', { lstrip: true }]],
      config,
    );
  }
  const pairOf = ['<s>', '$A', '</s>', '</s>', '$B', '</s>'];
  const xlmr = [['<unk>', 0, 2], ['<s>', 0, 3], ['</s>', 0, 3], ...scored];
  spiece(
    'xlm-roberta',
    'sentencepiece.bpe.model',
    'xlm-roberta',
    xlmr,
    [['<s>', 0], ['<pad>', 0], ['</s>', 0], ['<unk>', 0], ...scores(scored), ['<mask>', 0]],
    3,
    id => template(['<s>', '$A', '</s>'], pairOf, id),
    ['<s>', '<pad>', '</s>', '<unk>', ['<mask>', { lstrip: true }]],
  );
  const camembert = [['<unk>', 0, 2], ['<s>', 0, 3], ['</s>', 0, 3], ...scored];
  spiece(
    'camembert',
    'sentencepiece.bpe.model',
    'camembert',
    camembert,
    [
      ['<s>NOTUSED', 0],
      ['<pad>', 0],
      ['</s>NOTUSED', 0],
      ['<unk>', 0],
      ['<unk>NOTUSED', -100],
      ...scores(camembert.slice(1)),
      ['<mask>', 0],
    ],
    3,
    id => template(['<s>', '$A', '</s>'], pairOf, id),
    ['<s>', '<pad>', '</s>', '<unk>', ['<mask>', { lstrip: true }]],
  );
  return result;
}

const sequence = (key, list) => ({ type: 'Sequence', [key]: list });

const part = text =>
  text.startsWith('$') ? { Sequence: { id: text.slice(1), type_id: 0 } } : { SpecialToken: { id: text, type_id: 0 } };

const tokenizer = parts => ({
  version: '1.0',
  truncation: null,
  padding: null,
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: null,
  added_tokens: [],
  ...parts,
});

const byId = vocab =>
  Object.entries(vocab)
    .sort(([, a], [, b]) => a - b)
    .map(([text]) => text);

function special(ids, ...tokens) {
  return tokens
    .map(token => (Array.isArray(token) ? token : [token, {}]))
    .map(([content, options]) => ({
      id: ids[content],
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
      ...options,
    }))
    .sort((a, b) => a.id - b.id);
}

/** CLIP's kind of pairs: the last symbol of a word ends in </w>. Learnt as usual, the most frequent pair first, over the words of the lines. */
function endedPairs(lines) {
  const printable = b => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  let next = 256;
  const alphabet = Array.from({ length: 256 }, (_, b) => String.fromCharCode(printable(b) ? b : next++));
  const counts = new Map();
  for (const line of lines)
    for (const word of line
      .toWellFormed()
      .toLowerCase()
      .match(/\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/gu) ?? [])
      counts.set(word, (counts.get(word) ?? 0) + 1);
  const words = [...counts].map(([word, count]) => ({
    count,
    symbols: [...Buffer.from(word)].map((b, i, all) => alphabet[b] + (i === all.length - 1 ? '</w>' : '')),
  }));
  const merges = [];
  while (merges.length < 600) {
    const pairs = new Map();
    for (const { symbols, count } of words)
      for (let i = 1; i < symbols.length; i++) {
        const pair = `${symbols[i - 1]} ${symbols[i]}`;
        pairs.set(pair, (pairs.get(pair) ?? 0) + count);
      }
    const [best] = [...pairs].reduce((a, b) => (b[1] > a[1] || (b[1] === a[1] && b[0] < a[0]) ? b : a));
    const [left, right] = best.split(' ');
    merges.push([left, right]);
    for (const word of words)
      for (let i = 1; i < word.symbols.length; i++)
        if (word.symbols[i - 1] === left && word.symbols[i] === right) word.symbols.splice(i - 1, 2, left + right);
  }
  const tokens = [...alphabet, ...alphabet.map(symbol => `${symbol}</w>`), ...merges.map(pair => pair.join(''))];
  return { merges, vocab: Object.fromEntries([...new Set(tokens)].map((token, id) => [token, id])) };
}

/** A SentencePiece model file: sentencepiece_model.proto, the fields that matter. */
function sentencePiece(pieces, { type, bytes = false, charsmap }) {
  const varint = value => {
    const result = [];
    for (; value > 127; value = Math.floor(value / 128)) result.push((value % 128) | 128);
    return Buffer.from([...result, value]);
  };
  const field = (number, wire, ...content) => Buffer.concat([varint(number * 8 + wire), ...content]);
  const block = (number, content) => field(number, 2, varint(content.length), content);
  const float = value => {
    const result = Buffer.alloc(4);
    result.writeFloatLE(value);
    return result;
  };
  return Buffer.concat([
    ...pieces.map(([text, score, kind]) =>
      block(1, Buffer.concat([block(1, Buffer.from(text)), field(2, 5, float(score)), field(3, 0, varint(kind))])),
    ),
    block(2, Buffer.concat([field(3, 0, varint(type)), ...(bytes ? [field(35, 0, varint(1))] : [])])),
    block(3, charsmap ? block(2, Buffer.from(charsmap, 'base64')) : Buffer.alloc(0)),
  ]);
}
