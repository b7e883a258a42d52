import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { safetensors } from './safetensors.mjs';

/**
 * A model of half a megabyte whose pass over `slowText` takes most of a minute: ALBERT's layers share their weights, so
 * that two hundred of them cost no more on disk than one. All weights are zero; that makes no product cheaper.
 */
export async function writeSlowModel(folder) {
  const [hidden, inner, positions, words] = [128, 128, 4096, 2];
  const shapes = {
    'embeddings.word_embeddings.weight': [words, hidden],
    'embeddings.position_embeddings.weight': [positions, hidden],
    'embeddings.token_type_embeddings.weight': [2, hidden],
    ...norm('embeddings.LayerNorm'),
    ...linear('encoder.embedding_hidden_mapping_in', hidden, hidden),
  };
  const layer = 'encoder.albert_layer_groups.0.albert_layers.0.';
  for (const part of ['query', 'key', 'value', 'dense']) {
    Object.assign(shapes, linear(`${layer}attention.${part}`, hidden, hidden));
  }
  Object.assign(shapes, norm(`${layer}attention.LayerNorm`), norm(`${layer}full_layer_layer_norm`));
  Object.assign(shapes, linear(`${layer}ffn`, inner, hidden), linear(`${layer}ffn_output`, hidden, inner));

  let end = 0;
  const header = {};
  for (const [name, shape] of Object.entries(shapes)) {
    const size = 4 * shape.reduce((a, b) => a * b);
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + size] };
    end += size;
  }
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'model.safetensors'), safetensors(header, Buffer.alloc(end)));
  await writeFile(
    path.join(folder, 'config.json'),
    JSON.stringify({
      model_type: 'albert',
      architectures: ['AlbertModel'],
      hidden_size: hidden,
      embedding_size: hidden,
      intermediate_size: inner,
      num_hidden_layers: 200,
      num_attention_heads: 16,
      max_position_embeddings: positions,
      vocab_size: words,
      type_vocab_size: 2,
      hidden_act: 'gelu_new',
    }),
  );
  await writeFile(
    path.join(folder, 'tokenizer.json'),
    JSON.stringify({
      version: '1.0',
      pre_tokenizer: { type: 'Whitespace' },
      model: { type: 'WordLevel', vocab: { '[UNK]': 0, a: 1 }, unk_token: '[UNK]' },
    }),
  );

  function linear(name, rows, columns) {
    return { [`${name}.weight`]: [rows, columns], [`${name}.bias`]: [rows] };
  }
  function norm(name) {
    return { [`${name}.weight`]: [hidden], [`${name}.bias`]: [hidden] };
  }
}

export const slowText = 'a '.repeat(4096);
