// Writes tests/fixtures/tokenizers/components.json: every component on a few lines with what the reference makes of them, so
// that the .NET tests hold them against it without npm. Run it after changing components.mjs:
//   node tests/tokenizer-parity/fixture.mjs
import { writeFileSync } from 'node:fs';
import { components } from './components.mjs';
import { corpus, quote } from './corpus.mjs';
import { Reference } from './reference.mjs';

const lines = corpus(120, 7).filter((_, index) => index % 25 === 0 || index < 4);
const tokenizers = [];
for (const [name, json] of Object.entries(components(lines))) {
  const reference = Reference.fromJson(json);
  const expected = [];
  for (const line of lines)
    expected.push(quote((await reference.encode(line)).map(token => token.join(',')).join(' ')));
  const pair = quote((await reference.encode(lines[20], lines[30])).map(token => token.join(',')).join(' '));
  const decoded = quote(await reference.decode(lines[25].toWellFormed()));
  tokenizers.push(
    `{"name":${quote(name)},"pair":${pair},"decoded":${decoded},"expected":[\n${expected.join(',\n')}\n],"json":${ascii(JSON.stringify(json))}}`,
  );
}
writeFileSync(
  new URL('../fixtures/tokenizers/components.json', import.meta.url),
  `{"lines":[\n${lines.map(quote).join(',\n')}\n],"tokenizers":[\n${tokenizers.join(',\n')}\n]}\n`,
);

/** Plain ASCII, so that no tool changes it. */
function ascii(json) {
  return json.replace(/[\u007f-\uffff]/g, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
