import { createReadStream, createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';

/** A copy of the first bytes of a file (all when left out) in a folder. */
export async function beginning(file, bytes, folder) {
  const corpus = path.join(folder, `corpus${path.extname(file)}`);
  const end = bytes ? Number(bytes) - 1 : undefined;
  await pipeline(createReadStream(file, { end }), createWriteStream(corpus));
  return corpus;
}

/** Watches a process of Linux; what comes back says the largest resident set in each quarter of its life so far, MB. */
export function memoryOf(child) {
  const samples = [];
  const timer = setInterval(async () => {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
    const resident = /VmRSS:\s+(\d+)/.exec(status);
    if (resident) samples.push(Number(resident[1]) / 1024);
  }, 500);
  child.once('exit', () => clearInterval(timer));
  return () =>
    [0, 1, 2, 3].map(i => Math.round(Math.max(...samples.slice((i * samples.length) / 4, ((i + 1) * samples.length) / 4))));
}
