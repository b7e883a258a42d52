// Model folders for the tests: the seeded models of tests/fixtures/oracle with what they lack to read files and texts.

import { cp, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { root } from '../../../scripts/lib/paths.mjs';

async function copyOf(architecture, folder) {
  await mkdir(folder, { recursive: true });
  for (const file of ['config.json', 'model.safetensors']) {
    await cp(path.join(root, 'tests/fixtures/oracle', architecture, file), path.join(folder, file));
  }
  return folder;
}

/** A ViT that looks at image files. */
export async function visionModel(folder) {
  await copyOf('vit', folder);
  const processor = { image_processor_type: 'ViTImageProcessor', size: { height: 30, width: 30 } };
  await writeFile(path.join(folder, 'preprocessor_config.json'), JSON.stringify(processor));
  return folder;
}

/** A Marian translator that knows these words; what it writes makes no sense, as its weights are random. */
export async function translator(folder, words) {
  await copyOf('marian', folder);
  const vocab = { '</s>': 0, '<unk>': 1, '<pad>': 119 };
  for (const [index, word] of words.entries()) vocab[word] = index + 2;
  for (let id = words.length + 2; id < 119; id++) vocab[`word${id}`] = id;
  const special = (id, content) => ({
    ...{ id, content, special: true, single_word: false, lstrip: false, rstrip: false, normalized: false },
  });
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [special(0, '</s>'), special(1, '<unk>'), special(119, '<pad>')],
    normalizer: null,
    pre_tokenizer: { type: 'Whitespace' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '</s>', type_id: 0 } }],
      pair: [
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '</s>', type_id: 0 } },
        { Sequence: { id: 'B', type_id: 0 } },
        { SpecialToken: { id: '</s>', type_id: 0 } },
      ],
      special_tokens: { '</s>': { id: '</s>', ids: [0], tokens: ['</s>'] } },
    },
    decoder: null,
    model: { type: 'WordLevel', vocab, unk_token: '<unk>' },
  };
  await writeFile(path.join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
  return folder;
}
