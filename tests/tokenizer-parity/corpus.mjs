// The text of the parity run: deterministic, many scripts, code, emoji, combining marks, controls, lone surrogates.
const words = {
  english:
    `the quick brown fox jumps over lazy dog I'll we've don't it's they're I'd she'S can't 'twas HELLO WORLD camelCase snake_case
    naïve café résumé coöperate 1st 2nd 3.14159 1,000,000 $5.99 50% e-mail http://example.com/path?q=1&r=2 user@example.org`.split(
      /\s+/,
    ),
  german: 'Über die Straße läuft ein größerer Bär Donaudampfschifffahrtsgesellschaft Äpfel ẞ'.split(' '),
  russian: 'Съешь же ещё этих мягких французских булок да выпей чаю ЁЛКА й'.split(' '),
  greek: 'Ο ΟΔΥΣΣΕΥΣ Οδυσσεύς άνθρωπος ΣΊΣΥΦΟΣ ς ϊ ΐ ὀδός'.split(' '),
  turkish: 'İstanbul Iğdır ışık İİ ığüşöç'.split(' '),
  arabic: 'مرحبا بالعالم هذا نصٌّ عربيٌّ طويل ١٢٣٤ العَرَبِيَّة لا ﷺ ـــ'.split(' '),
  hebrew: 'שלום עולם בְּרֵאשִׁית בָּרָא'.split(' '),
  hindi: 'नमस्ते दुनिया क्षत्रिय हिन्दी में लिखा हुआ ज़रूर १२३'.split(' '),
  thai: 'สวัสดีชาวโลก ภาษาไทย เป็นภาษาที่ไม่มีช่องว่าง น้ำ กำ ๑๒๓'.split(' '),
  chinese: '你好世界 中文分词 注意力机制 𠮷野家 㐀㐁 龍 豈 丽 。，！？「引号」'.split(' '),
  japanese: 'こんにちは世界 カタカナ ｶﾀｶﾅ ガギグ がぎ 東京タワー ゛゜ㇰ ー々'.split(' '),
  korean: '안녕하세요 세계 한국어 각 ᄀ ᆨ ㅎㅎ 한'.split(' '),
  emoji: '😀 👨‍👩‍👧‍👦 🏳️‍🌈 👍🏽 ❤️ 🇩🇪 ☃ 🤷🏾‍♂️ 1️⃣ ©️ ™'.split(' '),
  symbols: '∑ ∫ ≠ ∞ ℝ 𝒳𝓎𝔷 ½ ⅷ ② ㎏ ﬁ ﬀ ﬃ ² ₃ Å K Ω ſ ǅ ǆ µ 𝟘𝟙 Ⓐⓑ'.split(' '),
  code: [
    'def f(x):',
    '\treturn x**2  # comment',
    'for (let i=0;i<10;i++) {',
    '}',
    'if (a && b || !c) { x += 1; }',
    '<div class="a b">&amp;</div>',
    "SELECT * FROM t WHERE a='b';",
    '\\begin{equation} \\alpha^2_i \\end{equation}',
    'x->y::z<T>&',
    '0xDEADBEEF',
    '// ------',
    '/* **/',
    '===',
    '    ',
    '\t\t',
    '#include <stdio.h>',
    '{"k": [1, 2.5e-10, null]}',
    'CC(=O)Cl.NCc1ccccc1>>CC(=O)NCc1ccccc1',
  ],
  marks: [
    'e\u0301',
    'a\u0323\u0302',
    'o\u0302\u0323',
    '\u0301',
    'q\u0307\u0323',
    '\u1e9b\u0323',
    's\u0323\u0307',
    '\u0344',
    '\u0f71\u0f72\u0f74',
    '\u05e9\u05bc\u05c1',
    'x\u0300\u0301\u0302\u0303\u0304\u0305',
    '\u212b\u0327',
    '\u1100\u1161\u11a8',
    '\uac00\u11a8',
    '\u0915\u093c',
    'Z\u0335\u0327A\u0336L\u0321G\u0322O\u0489',
  ],
  controls: [
    '\u0000',
    '\u0001',
    '\u0007',
    '\b',
    '\u000b',
    '\f',
    '\r',
    '\n',
    '\r\n',
    '\n\n',
    '\u001f',
    '\u007f',
    '\u0085',
    '\u00a0',
    '\u00ad',
    '\u1680',
    '\u180e',
    '\u2000',
    '\u2003',
    '\u200b',
    '\u200c',
    '\u200d',
    '\u200e',
    '\u2028',
    '\u2029',
    '\u202e',
    '\u2060',
    '\u3000',
    '\ufeff',
    '\ufff9',
    '\ufffd',
    '\uffff',
    '\ue000',
    '\u{e0001}',
    '\u{10ffff}',
  ],
  loneSurrogates: ['\ud800', '\udc00', '\udfff\ud800', 'a\ud83db', '\ud83d\ud83d\ude00'],
  special: [
    '<s>',
    '</s>',
    '<unk>',
    '<pad>',
    '<mask>',
    '[CLS]',
    '[SEP]',
    '[MASK]',
    '[UNK]',
    '<|endoftext|>',
    '<|begin_of_text|>',
    '<bos>',
    '<eos>',
    '<|im_start|>',
    '<|im_end|>',
    '<start_of_turn>',
    '<0x0A>',
    '▁',
    '▁▁',
    'Ġ',
    'Ċ',
    '##ing',
    '<|start_story|>',
    '<unused5>',
    'added',
    'Add ed',
  ],
};
const separators = [
  ' ',
  ' ',
  ' ',
  ' ',
  '  ',
  '   ',
  '\t',
  '\n',
  ' \n ',
  '\n\n\n',
  '     ',
  '',
  '\u00a0',
  '\u3000',
  ' \t ',
];
const kinds = Object.keys(words);

/** A generator of numbers below n that gives the same ones in every run. */
function random(seed) {
  return n => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 4294967296) * n);
  };
}

/** Every word in several surroundings, then `count` composed lines. */
export function corpus(count, seed = 12345) {
  const next = random(seed);
  const pick = list => list[next(list.length)];
  const result = ['', ' ', '  ', '\n'];
  for (const kind of kinds) {
    for (const word of words[kind]) result.push(word, ` ${word}`, `${word} `, word + word, `a${word}b`, ` ${word} \n`);
  }
  for (let i = 0; i < count; i++) {
    const mixed = next(3) === 0;
    const kind = pick(kinds);
    const length = 1 + next(next(10) === 0 ? 80 : 14);
    let line = '';
    for (let j = 0; j < length; j++) {
      line += pick(words[mixed || next(6) === 0 ? pick(kinds) : kind]) + (next(4) === 0 ? pick(separators) : ' ');
    }
    for (let j = 0; next(4) === 0 && j < 3; j++) {
      const at = next(line.length + 1);
      const point = next(next(3) === 0 ? 0x3000 : next(2) ? 0x10000 : 0x110000);
      line = line.slice(0, at) + String.fromCodePoint(point) + line.slice(at);
    }
    result.push(line);
  }
  return result;
}

/** JSON in printable ASCII, in which lone surrogates and controls survive any text channel. */
export const quote = line =>
  `"${line.replace(/[^ !#-[\]-~]/g, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`;
