import type { Token } from '../shared/protocol.js';
import { csv } from './export.js';
import type { Tile } from './matrix.js';

/** One line per pair of tokens, with the tokens as the model has them. */
export function matrixCsv(tile: Tile, queries: readonly Token[], keys: readonly Token[]): string {
  function* lines(): Generator<readonly (string | number)[]> {
    yield ['query', 'query_token', 'key', 'key_token', 'weight'];
    const [rows, columns] = tile.shape;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const [query, key] = [tile.rows[0] + row, tile.columns[0] + column];
        const weight = tile.values[row * columns + column] ?? 0;
        yield [query, queries[query]?.text ?? '', key, keys[key]?.text ?? '', Number(weight.toPrecision(7))];
      }
    }
  }
  return csv(lines());
}
