import { writeFile } from 'node:fs/promises';
import path from 'node:path';

/** At least this long, in bytes: as long as an editor still treats as an ordinary file. */
const size = 5_000_000;

const words = {
  who: ['the keeper', 'Ada', 'the captain', 'a fisherman', 'the girl with the red scarf', 'nobody on the quay'],
  did: [
    'lit the lamp',
    'read the old chart',
    'waited for the boat',
    'mended the net',
    'heard the dog',
    'wrote to Bergen',
  ],
  when: ['before the storm came', 'in the eleventh year', 'when the tide turned', 'at night', 'once more', 'too late'],
  why: ['because it was cold', 'although no one had asked', 'so that the door stayed open', 'as if it were spring'],
  more: ['The sea said nothing.', 'It rained 🌧️.', 'Café and harbour were closed.', 'Who would have thought it?', ''],
};

/** Writes large.txt, 5 MB of paragraphs that are the same each time, into a folder; returns its path. */
export async function writeLargeSample(folder) {
  // A linear congruential generator (Numerical Recipes): the same text on every machine.
  let state = 1;
  const pick = list => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return list[Math.floor((state / 2 ** 32) * list.length)];
  };
  const sentence = () => {
    const text = `${pick(words.who)} ${pick(words.did)} ${pick(words.when)}, ${pick(words.why)}.`;
    return `${text[0].toUpperCase()}${text.slice(1)} ${pick(words.more)}`.trim();
  };
  const paragraphs = [];
  for (let [length, number] = [0, 1]; length < size; number++) {
    const paragraph = `${number}. ${Array.from({ length: 5 }, sentence).join(' ')}\n\n`;
    paragraphs.push(paragraph);
    length += Buffer.byteLength(paragraph);
  }
  const file = path.join(folder, 'large.txt');
  await writeFile(file, paragraphs.join(''));
  return file;
}
