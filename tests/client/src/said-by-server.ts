import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const server = fileURLToPath(new URL('../../../server', import.meta.url));

/** Where the server's code says something to the user: what follows, up to the end of the argument list or of the arm, is said. */
const said =
  /new (?:Attention|Method|ModelMissing|Search)Exception\(|problems\.Add\(|notice \?\? string\.Create\(|(?:Exception|HeadKind\.\w+|_) => (?=\$?")/g;

/** A whole sentence, or what a prediction is about; not names and formats. */
const sentence = /^([A-Z{].* .*[.?}]|(the|what|how|whether) .*)$/;

/** The C# string literal at `at`, with a number for each value; `end` is behind it. */
function literal(code: string, at: number): { text: string; end: number } {
  const isInterpolated = code[at] === '$';
  let text = '';
  let values = 0;
  let index = at + (isInterpolated ? 2 : 1);
  while (code[index] !== '"') {
    const character = code[index] ?? '';
    if (character === '\\') {
      text += JSON.parse(`"${code.slice(index, index + 2)}"`);
      index += 2;
    } else if (isInterpolated && character === '{') {
      if (code[index + 1] === '{') {
        text += '{';
        index += 2;
        continue;
      }
      text += `{${values++}}`;
      let depth = 0;
      do {
        if (code[index] === '{' || code[index] === '(') depth++;
        if (code[index] === '}' || code[index] === ')') depth--;
        index = /^\$?"/.test(code.slice(index, index + 2)) ? literal(code, index).end : index + 1;
      } while (depth > 0);
    } else {
      text += character;
      index++;
    }
  }
  return { text, end: index + 1 };
}

function sentencesOf(code: string): string[] {
  const found: string[] = [];
  for (const match of code.matchAll(said)) {
    let index = match.index + match[0].length;
    for (let depth = match[0].endsWith('(') ? 1 : 0; index < code.length; ) {
      if (/^\$?"/.test(code.slice(index, index + 2))) {
        const { text, end } = literal(code, index);
        if (sentence.test(text)) found.push(text);
        index = end;
        continue;
      }
      const character = code[index++] ?? '';
      if (character === '(') depth++;
      if (character === ')') depth--;
      if (match[0].endsWith('(') ? depth === 0 : depth === 0 && /[,;]/.test(character)) break;
    }
  }
  return found;
}

/** What the language server, the analyses and the search say to the user, as it stands in their code. */
export function saidByServer(): string[] {
  const files = ['AttentionLens.LanguageServer', 'AttentionLens.Analysis', 'AttentionLens.Corpora/Search'].flatMap(
    project =>
      readdirSync(path.join(server, project), { recursive: true, encoding: 'utf8' })
        .filter(file => file.endsWith('.cs') && !/(^|[\\/])(bin|obj)[\\/]/.test(file))
        .map(file => path.join(server, project, file)),
  );
  return [...new Set(files.flatMap(file => sentencesOf(readFileSync(file, 'utf8'))))].sort();
}
