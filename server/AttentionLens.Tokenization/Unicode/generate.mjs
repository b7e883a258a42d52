// Writes unicode.bin: the Unicode facts that .NET under InvariantGlobalization lacks (normalization) or holds in another
// Unicode version than the reference tokenizer (punctuation, marks, controls). Every fact is asked of the reference itself,
// so that ids agree with it on every code point. Needs the npm package "tokenizers" (a dev dependency of tests/tokenizer-parity):
//   node server/AttentionLens.Tokenization/Unicode/generate.mjs
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const reference = createRequire(new URL('../../../tests/tokenizer-parity/package.json', import.meta.url))('tokenizers');
const nfd = reference.nfdNormalizer();
const nfkd = reference.nfkdNormalizer();
const nfc = reference.nfcNormalizer();
const text = (...points) => String.fromCodePoint(...points);
const points = string => [...string].map(c => c.codePointAt(0));
const isHangulSyllable = p => p >= 0xac00 && p <= 0xd7a3; // composed and decomposed by arithmetic

const all = [];
for (let p = 0; p < 0x110000; p++) if (p < 0xd800 || p > 0xdfff) all.push(p);

// Full decompositions, and the pairs that compose again.
const canonical = [];
const compatible = [];
const compositions = [];
for (const p of all) {
  if (isHangulSyllable(p)) continue;
  const c = text(p);
  const d = points(nfd.normalizeString(c));
  const k = points(nfkd.normalizeString(c));
  if (d.length !== 1 || d[0] !== p) canonical.push(p, d.length, ...d);
  if (k.join() !== d.join()) compatible.push(p, k.length, ...k);
  if (d.length > 1 && nfc.normalizeString(c) === c) {
    const first = points(nfc.normalizeString(text(...d.slice(0, -1))));
    if (first.length !== 1) throw new Error(`no primary composite leads to U+${p.toString(16)}`);
    compositions.push(first[0], d[d.length - 1], p);
  }
}

// Combining classes, found by how a mark sorts against one known mark of each class.
const classes = [
  [1, 0x0334],
  [7, 0x093c],
  [8, 0x3099],
  [9, 0x094d],
  [10, 0x05b0],
  [11, 0x05b1],
  [12, 0x05b2],
  [13, 0x05b3],
  [14, 0x05b4],
  [15, 0x05b5],
  [16, 0x05b6],
  [17, 0x05b7],
  [18, 0x05b8],
  [19, 0x05b9],
  [20, 0x05bb],
  [21, 0x05bc],
  [22, 0x05bd],
  [23, 0x05bf],
  [24, 0x05c1],
  [25, 0x05c2],
  [26, 0xfb1e],
  [27, 0x064b],
  [28, 0x064c],
  [29, 0x064d],
  [30, 0x0618],
  [31, 0x0619],
  [32, 0x061a],
  [33, 0x0651],
  [34, 0x0652],
  [35, 0x0670],
  [36, 0x0711],
  [84, 0x0c55],
  [91, 0x0c56],
  [103, 0x0e38],
  [107, 0x0e48],
  [118, 0x0eb8],
  [122, 0x0ec8],
  [129, 0x0f71],
  [130, 0x0f72],
  [132, 0x0f74],
  [202, 0x0321],
  [214, 0x1dce],
  [216, 0x031b],
  [218, 0x1dfa],
  [220, 0x0316],
  [222, 0x059a],
  [224, 0x302e],
  [226, 0x1d16d],
  [228, 0x05ae],
  [230, 0x0300],
  [232, 0x0315],
  [233, 0x035c],
  [234, 0x035d],
  [240, 0x0345],
];
const reorders = (a, b) => nfd.normalizeString(text(a, b)) === text(b, a) && a !== b;
const isStarter = p => p !== 0x0334 && p !== 0x0345 && !reorders(p, 0x0334) && !reorders(0x0345, p); // the lowest and the highest class
const known = classes.filter(([, mark]) => !isStarter(mark)); // less the marks that the reference does not know yet
const combining = [];
for (const p of all) {
  if (nfd.normalizeString(text(p)) !== text(p) || isStarter(p)) continue;
  const same = known.find(([, mark]) => !reorders(mark, p) && !reorders(p, mark));
  const below = known.findLast(([, mark]) => reorders(p, mark)); // only the order of the classes matters
  combining.push(p, same ? same[0] : below[0] + 1);
}

// Sets of code points as [first, last] ranges.
function ranges(contains) {
  const result = [];
  for (const p of all) {
    if (!contains(text(p))) continue;
    if (result.length && result[result.length - 1] === p - 1) result[result.length - 1] = p;
    else result.push(p, p);
  }
  return result;
}
const punctuation = reference.punctuationPreTokenizer('isolated');
const clean = reference.bertNormalizer({
  cleanText: true,
  handleChineseChars: false,
  stripAccents: false,
  lowercase: false,
});
const bertAccents = reference.bertNormalizer({
  cleanText: false,
  handleChineseChars: false,
  stripAccents: true,
  lowercase: false,
});
const accents = reference.stripAccentsNormalizer();
const chinese = reference.bertNormalizer({
  cleanText: false,
  handleChineseChars: true,
  stripAccents: false,
  lowercase: false,
});

const sections = [
  canonical,
  compatible,
  compositions,
  combining,
  ranges(c => punctuation.preTokenizeString(`a${c}b`).length === 3),
  ranges(c => clean.normalizeString(c) === ''), // controls, formats, private use, U+FFFD
  ranges(c => bertAccents.normalizeString(c) === ''), // Mn
  ranges(c => accents.normalizeString(c) === ''), // M
  ranges(c => chinese.normalizeString(c).length > c.length), // Han, set apart by spaces
];

// What .NET cannot say at all: properties that regular expressions name, from this Node.js's own Unicode data.
const scripts =
  `Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki Bopomofo
  Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee Chorasmian Common Coptic Cuneiform
  Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Georgian
  Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi Gurmukhi Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana
  Imperial_Aramaic Inherited Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kayah_Li Kharoshthi
  Khitan_Small_Script Khmer Khojki Khudawadi Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Makasar Malayalam
  Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi
  Mongolian Mro Multani Myanmar Nabataean Nandinagari New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Old_Hungarian
  Old_Italic Old_North_Arabian Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage Osmanya
  Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham
  SignWriting Sinhala Sogdian Sora_Sompeng Soyombo Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil
  Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Toto Ugaritic Vai Vithkuqi Wancho Warang_Citi Yezidi Yi Zanabazar_Square`.split(
    /\s+/,
  );
const named = [
  ...['Alphabetic', 'Lowercase', 'Uppercase'].map(name => [name, ranges(c => new RegExp(`\\p{${name}}`, 'u').test(c))]),
  ...scripts.map(name => [
    name,
    ranges(
      (
        expression => c =>
          expression.test(c)
      )(new RegExp(`\\p{Script=${name}}`, 'u')),
    ),
  ]),
].flatMap(([name, members]) => [name.length, ...points(name), members.length, ...members]);
sections.push(named);

// The UnicodeScripts pre-tokenizer of the reference knows an older Unicode: a character without a script joins any neighbour.
const byScript = reference.Tokenizer.fromString(
  JSON.stringify({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    post_processor: null,
    decoder: null,
    pre_tokenizer: { type: 'UnicodeScripts' },
    model: { type: 'WordLevel', vocab: { '<unk>': 0 }, unk_token: '<unk>' },
  }),
);
const joinsAny = new Set();
for (let from = 0; from < all.length; from += 20_000) {
  const chunk = all.slice(from, from + 20_000);
  const encoding = await byScript.encode(chunk.map(p => `a${text(p)}б${text(p)}`).join(''));
  const starts = new Set(encoding.getOffsets().map(([start]) => start));
  chunk.forEach((p, i) => {
    if (!starts.has(4 * i + 1) && !starts.has(4 * i + 3)) joinsAny.add(text(p));
  });
}
sections.push(ranges(c => joinsAny.has(c)));

const flat = Int32Array.from(sections.flatMap(s => [s.length, ...s]));
writeFileSync(new URL('unicode.bin', import.meta.url), new Uint8Array(flat.buffer));
