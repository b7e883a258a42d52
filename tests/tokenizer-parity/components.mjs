// A small tokenizer for each component and option that tokenizer.json knows, with a vocabulary made from the corpus.
// With a vocabulary of single characters, ids and ranges show what every step before the model did.

/** SentencePiece's compiled form of a character map: a double array over UTF-8, each node's children in a block of their own. */
export function precompiled(map) {
  const units = [];
  let pool = Buffer.alloc(0);
  let blocks = 0;
  const place = (position, label, entries) => {
    const base = 256 * ++blocks;
    const here = entries.find(([key]) => key.length === 0);
    units[position] = (((position ^ base) << 10) | (here ? 1 << 8 : 0) | label) >>> 0;
    if (here) {
      units[base] = (pool.length | (1 << 31)) >>> 0;
      pool = Buffer.concat([pool, Buffer.from(`${here[1]}\0`)]);
    }
    const longer = entries.filter(([key]) => key.length > 0);
    for (const byte of new Set(longer.map(([key]) => key[0]))) {
      const below = longer.filter(([key]) => key[0] === byte).map(([key, value]) => [key.subarray(1), value]);
      place(base ^ byte, byte, below);
    }
  };
  place(
    0,
    0,
    Object.entries(map).map(([key, value]) => [Buffer.from(key), value]),
  );
  const size = 256 * (blocks + 1);
  const bytes = Buffer.alloc(4 + 4 * size);
  bytes.writeUInt32LE(4 * size, 0);
  units.forEach((unit, index) => {
    bytes.writeUInt32LE(unit, 4 + 4 * index);
  });
  return Buffer.concat([bytes, pool]).toString('base64');
}

/** Tokenizers by name, with vocabularies for these lines. */
export function components(text) {
  const lines = text.map(line => line.toWellFormed());
  const forms = line => ['NFC', 'NFD', 'NFKC', 'NFKD'].map(form => line.normalize(form)).concat(line.toLowerCase());
  const characters = [
    ...new Set(
      lines.flatMap(line => forms(line).flatMap(form => [...form])).concat(['▁', ' ', 'X', '<unk>', '[UNK]', 'Ġ']),
    ),
  ].sort();
  const bytes = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`);
  const byteAlphabet = (() => {
    const printable = b => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    let next = 256;
    return Array.from({ length: 256 }, (_, b) => String.fromCharCode(printable(b) ? b : next++));
  })();
  const words = [
    ...new Set(
      lines.flatMap(line =>
        line.split(/\s+/).flatMap(word => [
          word,
          word.toLowerCase(),
          word
            .normalize('NFD')
            .replace(/\p{Mn}/gu, '')
            .toLowerCase(),
        ]),
      ),
    ),
  ].filter(Boolean);
  const ids = tokens => Object.fromEntries([...new Set(tokens)].map((token, id) => [token, id]));

  const everyCharacter = { type: 'Split', pattern: { Regex: '[\\s\\S]' }, behavior: 'Isolated', invert: false };
  const wordLevel = { type: 'WordLevel', vocab: ids(['<unk>', ...characters, ...byteAlphabet]), unk_token: '<unk>' };
  const wordPiece = {
    type: 'WordPiece',
    vocab: ids([
      '[PAD]',
      '[UNK]',
      '[CLS]',
      '[SEP]',
      '[MASK]',
      ...words,
      ...characters,
      ...characters.map(c => `##${c}`),
      ...words.map(w => `##${[...w].slice(-3).join('')}`),
    ]),
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
  };
  // No two paths tie, so that the last bit of a parsed number does not decide.
  const score = piece =>
    -(piece.length * 1.37 + ([...piece].reduce((sum, c) => (sum * 31 + c.codePointAt(0)) % 10007, 7) % 9973) / 4001);
  const pieces = [
    ...new Set([
      '<unk>',
      ...characters,
      ...words,
      ...words.map(w => `▁${w}`),
      ...words.map(w => [...w].slice(0, 2).join('')),
      ...words.map(w => [...w].slice(1, 4).join('')),
    ]),
  ].filter(Boolean);
  const unigram = (extra = [], options = {}) => ({
    type: 'Unigram',
    unk_id: 0,
    vocab: [...pieces.filter(p => p !== 'ь'), ...extra].map(p => [p, score(p)]),
    ...options,
  });

  /** Merges that build the frequent words left to right, so that ranks compete. */
  function bytePair(symbolsOf, options, alphabet) {
    const prefix = options.continuing_subword_prefix ?? '';
    const suffix = options.end_of_word_suffix ?? '';
    const vocab = new Set(alphabet);
    const merges = new Map();
    for (const word of words.filter(w => w.length < 12)) {
      const symbols = symbolsOf(word).map(
        (s, i, all) => (i > 0 ? prefix : '') + s + (i === all.length - 1 ? suffix : ''),
      );
      for (const symbol of symbols) vocab.add(symbol);
      while (symbols.length > 1) {
        const at = (word.length * 7 + symbols.length) % (symbols.length - 1);
        const merged = symbols[at] + symbols[at + 1].slice(prefix.length);
        merges.set(`${symbols[at]} ${symbols[at + 1]}`, true);
        vocab.add(merged);
        symbols.splice(at, 2, merged);
      }
    }
    return {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      fuse_unk: false,
      byte_fallback: false,
      ...options,
      vocab: ids(vocab),
      merges: [...merges.keys()].filter(m => m.split(' ').length === 2),
    };
  }
  const plain = (options, alphabet = characters.slice(0, -40)) =>
    bytePair(w => [...w], options, alphabet.concat(options.unk_token ?? []));
  const byteLevelModel = (options = {}) =>
    bytePair(w => [...Buffer.from(w)].map(b => byteAlphabet[b]), options, byteAlphabet.concat('Ġ'));

  const special = token => ({ [token]: { id: token, ids: [1], tokens: [token] } });
  const template = {
    type: 'TemplateProcessing',
    single: [
      { SpecialToken: { id: '[CLS]', type_id: 0 } },
      { Sequence: { id: 'A', type_id: 0 } },
      { SpecialToken: { id: '[SEP]', type_id: 0 } },
    ],
    pair: [
      { SpecialToken: { id: '[CLS]', type_id: 0 } },
      { Sequence: { id: 'A', type_id: 0 } },
      { SpecialToken: { id: '[SEP]', type_id: 0 } },
      { Sequence: { id: 'B', type_id: 1 } },
      { SpecialToken: { id: '[SEP]', type_id: 1 } },
    ],
    special_tokens: { ...special('[CLS]'), ...special('[SEP]') },
  };
  const added = (content, options = {}) => ({
    id: 0,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: false,
    ...options,
  });
  const tokenizer = parts => ({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    ...parts,
  });

  const bert = {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  };
  const normalizers = {
    bert,
    'bert-cased': { ...bert, lowercase: false },
    'bert-accents': { ...bert, strip_accents: false },
    'bert-unclean': { ...bert, clean_text: false, handle_chinese_chars: false },
    nfc: { type: 'NFC' },
    nfd: { type: 'NFD' },
    nfkc: { type: 'NFKC' },
    nfkd: { type: 'NFKD' },
    lowercase: { type: 'Lowercase' },
    'strip-accents': { type: 'StripAccents' },
    'nfd-lower-strip': {
      type: 'Sequence',
      normalizers: [{ type: 'NFD' }, { type: 'Lowercase' }, { type: 'StripAccents' }, { type: 'NFC' }],
    },
    'replace-string': { type: 'Replace', pattern: { String: 'e' }, content: '' },
    'replace-longer': { type: 'Replace', pattern: { String: 'the' }, content: 'XéX' },
    'replace-regex': { type: 'Replace', pattern: { Regex: ' {2,}|\\p{N}+' }, content: '▁' },
    prepend: { type: 'Prepend', prepend: '▁X' },
    strip: { type: 'Strip', strip_left: true, strip_right: true },
    'strip-left': { type: 'Strip', strip_left: true, strip_right: false },
    nmt: { type: 'Nmt' },
    'byte-level': { type: 'ByteLevel' },
    // Behind a character of its own: where a text begins with what the map removes, the reference's ranges slip, ours do not.
    precompiled: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: 'X' },
        {
          type: 'Precompiled',
          precompiled_charsmap: precompiled({
            'e\u0301': 'é',
            ﬁ: 'fi',
            ﷺ: 'صلى الله',
            '\u00a0': ' ',
            '\u3000': ' ',
            '\u200b': '',
            '\u0007': '',
            '\r': ' ',
            '\n': ' ',
            ｶ: 'カ',
            ガ: 'カゞ',
            각: 'kak',
            '👍🏽': '+',
            '☃': 'snow',
            Å: 'Å',
            '①': '1',
            x: 'xx',
            𝒳: 'X',
            é: 'e\u0301',
          }),
        },
      ],
    },
  };
  const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true };
  const preTokenizers = {
    bert: { type: 'BertPreTokenizer' },
    whitespace: { type: 'Whitespace' },
    'whitespace-split': { type: 'WhitespaceSplit' },
    punctuation: { type: 'Punctuation', behavior: 'Isolated' },
    'punctuation-contiguous': { type: 'Punctuation', behavior: 'Contiguous' },
    'punctuation-previous': { type: 'Punctuation', behavior: 'MergedWithPrevious' },
    digits: { type: 'Digits', individual_digits: false },
    'digits-individual': { type: 'Digits', individual_digits: true },
    delimiter: { type: 'CharDelimiterSplit', delimiter: 'e' },
    'byte-level': { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    'byte-level-plain': { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    metaspace,
    'metaspace-first': { ...metaspace, prepend_scheme: 'first' },
    'metaspace-never': { ...metaspace, prepend_scheme: 'never' },
    'metaspace-whole': { ...metaspace, split: false },
    scripts: { type: 'UnicodeScripts' },
    sequence: {
      type: 'Sequence',
      pretokenizers: [{ type: 'WhitespaceSplit' }, { type: 'Digits', individual_digits: true }, metaspace],
    },
  };
  for (const behavior of ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous']) {
    for (const invert of [false, true]) {
      preTokenizers[`split-${behavior}${invert ? '-invert' : ''}`] = {
        type: 'Split',
        pattern: { Regex: '[aeiou ]+?|\\p{P}' },
        behavior,
        invert,
      };
    }
    preTokenizers[`split-string-${behavior}`] = { type: 'Split', pattern: { String: ' ' }, behavior, invert: false };
  }
  const expressions = {
    gpt2: "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
    clip: "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+",
    possessive:
      "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
    kimi: "[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    smiles:
      '(\\[[^\\]]+]|Br?|Cl?|N|O|S|P|F|I|b|c|n|o|s|p|\\(|\\)|\\.|=|#|-|\\+|\\\\|\\/|:|~|@|\\?|>>?|\\*|\\$|\\%[0-9]{2}|[0-9])',
    lookbehind: '(?<=a)b|(?<!e)n|(?=[A-Z])',
    anchors: '^\\w+|\\w+$|\\b\\d|\\A.|.\\z',
    lazy: 'a.*?b|(?:ab|a)(?:c|bcd)?|x{2,3}?',
    'ignore-case': '(?i)the|straße|ΟΔΥΣΣΕΥΣ|k|[a-f]+s',
    atomic: '(?>a+b?|a)b|(?>\\s+)\\S',
    posix: '[[:alpha:]]+|[[:digit:]]+|[[:^space:]]|[[:punct:]]+',
    classes: '[^\\W_]+|[\\d\\-.,]+|[\\x{1F600}-\\x{1F64F}\\u2600-\\u26FF]+|\\h{4}',
    script: '\\p{Arabic}+|\\p{Thai}+|\\p{Cyrillic}+|\\p{^L}+|\\P{Lu}',
    empty: 'x*|(?:)',
    nested: '(?:(?:a|e)+[^aeiou]?)+|(?:\\p{M}|\\p{L}(?=\\p{M}))+',
  };
  for (const [name, Regex] of Object.entries(expressions))
    preTokenizers[`regex-${name}`] = { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false };

  const result = {};
  for (const [name, normalizer] of Object.entries(normalizers))
    result[`normalizer-${name}`] = tokenizer({ normalizer, pre_tokenizer: everyCharacter, model: wordLevel });
  for (const [name, pre_tokenizer] of Object.entries(preTokenizers))
    result[`pre-tokenizer-${name}`] = tokenizer({ pre_tokenizer, model: wordLevel });
  Object.assign(result, {
    'model-wordpiece': tokenizer({
      normalizer: bert,
      pre_tokenizer: { type: 'BertPreTokenizer' },
      model: wordPiece,
      post_processor: template,
      decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    }),
    'model-wordpiece-short': tokenizer({
      pre_tokenizer: { type: 'WhitespaceSplit' },
      model: { ...wordPiece, max_input_chars_per_word: 5 },
      post_processor: { type: 'BertProcessing', cls: ['[CLS]', 2], sep: ['[SEP]', 3] },
    }),
    'model-unigram': tokenizer({
      pre_tokenizer: metaspace,
      model: unigram(),
      decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    }),
    'model-unigram-whole': tokenizer({ normalizer: { type: 'NFKC' }, model: unigram() }),
    'model-unigram-bytes': tokenizer({ pre_tokenizer: metaspace, model: unigram(bytes, { byte_fallback: true }) }),
    'model-bpe': tokenizer({ pre_tokenizer: { type: 'WhitespaceSplit' }, model: plain({ unk_token: '<unk>' }) }),
    'model-bpe-dropping': tokenizer({ pre_tokenizer: { type: 'WhitespaceSplit' }, model: plain({}, characters) }),
    'model-bpe-fuse': tokenizer({
      pre_tokenizer: { type: 'WhitespaceSplit' },
      model: plain({ unk_token: '<unk>', fuse_unk: true }),
    }),
    'model-bpe-whole': tokenizer({ model: plain({ unk_token: '<unk>', fuse_unk: true }) }),
    'model-bpe-bytes': tokenizer({
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'Prepend', prepend: '▁' },
          { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
        ],
      },
      model: plain({ unk_token: '<unk>', fuse_unk: true, byte_fallback: true }, characters.slice(0, -40).concat(bytes)),
    }),
    'model-bpe-affixes': tokenizer({
      pre_tokenizer: { type: 'WhitespaceSplit' },
      model: plain({ unk_token: '<unk>', continuing_subword_prefix: '##', end_of_word_suffix: '</w>' }),
    }),
    'model-bpe-suffix': tokenizer({
      normalizer: { type: 'Lowercase' },
      pre_tokenizer: { type: 'Whitespace' },
      model: plain({ unk_token: '<unk>', end_of_word_suffix: '</w>' }),
      decoder: { type: 'BPEDecoder', suffix: '</w>' },
    }),
    'model-bpe-byte-level': tokenizer({
      pre_tokenizer: preTokenizers['byte-level'],
      model: byteLevelModel(),
      post_processor: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
      decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    }),
    'model-bpe-ignore-merges': tokenizer({
      pre_tokenizer: preTokenizers['byte-level'],
      model: byteLevelModel({ ignore_merges: true }),
      post_processor: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    }),
    'post-roberta': tokenizer({
      pre_tokenizer: { ...preTokenizers['byte-level'], add_prefix_space: false },
      model: byteLevelModel(),
      post_processor: {
        type: 'RobertaProcessing',
        cls: ['<s>', 0],
        sep: ['</s>', 2],
        trim_offsets: true,
        add_prefix_space: false,
      },
      added_tokens: [added('<mask>', { lstrip: true, special: true }), added('[MASK]', { rstrip: true })],
    }),
    'post-sequence': tokenizer({
      pre_tokenizer: preTokenizers['byte-level'],
      model: byteLevelModel(),
      post_processor: {
        type: 'Sequence',
        processors: [{ type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true }, template],
      },
    }),
    'added-plain': tokenizer({
      pre_tokenizer: { type: 'WhitespaceSplit' },
      model: wordLevel,
      added_tokens: [
        added('<s>', { special: true }),
        added('the'),
        added('the quick'),
        added('added', { single_word: true }),
        added('<mask>', { lstrip: true }),
        added('</s>', { rstrip: true }),
        added('<pad>', { lstrip: true, rstrip: true }),
      ],
    }),
    'added-normalized': tokenizer({
      normalizer: { type: 'Sequence', normalizers: [{ type: 'NFKD' }, { type: 'Lowercase' }] },
      pre_tokenizer: metaspace,
      model: wordLevel,
      added_tokens: [
        added('HELLO', { normalized: true }),
        added('ﬁ', { normalized: true }),
        added('[MASK]', { normalized: true, special: true, lstrip: true }),
        added('Éa', { normalized: true }),
        added('é', { normalized: true, single_word: true }),
        added('世'),
      ],
    }),
  });
  // A token that the vocabulary has keeps its id; the others follow.
  for (const json of Object.values(result)) {
    let next = Array.isArray(json.model.vocab) ? json.model.vocab.length : Object.keys(json.model.vocab).length;
    for (const token of json.added_tokens) token.id = json.model.vocab[token.content] ?? next++;
  }
  return result;
}
