import { readFile } from 'node:fs/promises';

/** The float32 tensors of a safetensors file: name -> { shape, data }. */
export async function readFloats(file) {
  const bytes = await readFile(file);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength));
  const tensors = new Map();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === '__metadata__' || dtype !== 'F32') continue;
    const [start, end] = data_offsets.map(offset => 8 + headerLength + offset);
    // A copy, because the header's length leaves the data unaligned.
    const data = new Float32Array(new Uint8Array(bytes.subarray(start, end)).buffer);
    tensors.set(name, { shape, data });
  }
  return tensors;
}

/** Writes a safetensors file from a header object and a body, neither of which need be right. */
export function safetensors(header, body) {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  return Buffer.concat([length, Buffer.from(text), body]);
}
