import { describe, expect, it, vi } from 'vitest';
import type * as vscode from 'vscode';
import type { ModelSummary } from '../../../client/shared/protocol.js';
import type { Server } from '../../../client/src/server.js';

vi.mock('../../../client/src/server.js', () => ({ attentionFileScheme: 'attentionlens-file' }));

const { fileModel, headSetItem, viewItems } = await import('../../../client/src/view-picker.js');

const model: ModelSummary = { name: 'foreign.npz', modelType: 'file', kind: 'encoder', layers: 3, heads: 2 };

describe('the list of layers and heads', () => {
  it('is that of the attention file that is looked at, and of the loaded model else', async () => {
    const asked: unknown[] = [];
    const server = {
      request: async (...question: unknown[]) => {
        asked.push(question.slice(0, 2));
        return { text: 'The keys', model };
      },
    } as unknown as Server;
    const uri = (scheme: string) => ({ scheme, toString: () => `${scheme}:///a/b.npz` }) as vscode.Uri;
    expect(await fileModel(server, uri('file'))).toBeUndefined();
    expect(await fileModel(server, undefined)).toBeUndefined();
    expect(asked).toEqual([]);
    expect(await fileModel(server, uri('attentionlens-file'))).toBe(model);
    expect(asked).toEqual([['attentionLens/attentionFile', { uri: 'attentionlens-file:///a/b.npz' }]]);
  });

  it('holds every layer and head, means included', () => {
    const views = viewItems(model, { method: 'max' }).flatMap(({ view }) => (view ? [view] : []));
    expect(views).toHaveLength(1 + 4 * 3);
    expect(views.at(-1)).toEqual({ layer: 2, head: 1, method: 'max' });
    expect(viewItems({ ...model, kind: 'encoderDecoder', decoderLayers: 1, decoderHeads: 4 })).toHaveLength(
      1 + 4 * (1 + 3) + 2 * 2 * (1 + 5),
    );
  });

  it('offers a set of heads when it is typed, and only then', () => {
    expect(headSetItem('3 5', {})).toBeNull();
    expect(headSetItem(' 3.5,4.*', { method: 'max', stack: 'cross' })).toMatchObject({
      alwaysShow: true,
      view: { layer: 'mean', head: 'mean', heads: '3.5,4.*', method: 'max', stack: 'cross' },
    });
  });
});
