// ONNX Runtime's CPU build, on the graph that peer_torch.py exports: peer-onnx.mjs GRAPH THREADS VOCABULARY.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import ort from 'onnxruntime-node';

const [, , graph, threads, vocabulary] = process.argv;
const session = await ort.InferenceSession.create(graph, {
  intraOpNumThreads: Number(threads),
  interOpNumThreads: 1,
  graphOptimizationLevel: 'all',
});
const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json');
console.log(JSON.stringify({ version }));

for await (const line of createInterface({ input: process.stdin })) {
  const { tokens, runs } = JSON.parse(line);
  const ids = BigInt64Array.from({ length: tokens }, (_, i) => BigInt((5 + i * 7919) % Number(vocabulary)));
  const times = [];
  let outputs;
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    outputs = await session.run({ input_ids: new ort.Tensor('int64', ids, [1, tokens]) });
    times.push(performance.now() - start);
  }
  const first = Array.from(outputs['attentions.0'].data.subarray((tokens - 1) * tokens, (tokens - 1) * tokens + Math.min(4, tokens)));
  console.log(JSON.stringify({ times, first }));
}
