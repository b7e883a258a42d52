import { describe, expect, it } from 'vitest';
import { isView } from '../../../client/shared/panel.js';
import { headsOfSet, isHeadSet, sameView, withHead } from '../../../client/shared/protocol.js';
import { viewLabel } from '../../../client/webview/view-label.js';

describe('several heads as one', () => {
  it.each(['3.5', '3.5,4.*', ' 3.5, 4.* ,6-8.2 ', '*.*', '3.5 4.1', '0-2.0-3'])('reads %o', text => {
    expect(isHeadSet(text)).toBe(true);
  });

  it.each(['', ',', '3', '3.', '.5', '3.5.1', '2-1.0', '-1.0', 'a.b', 'mean', '1e3.0', '3.5;4.1'])(
    'refuses %o',
    text => {
      expect(isHeadSet(text)).toBe(false);
    },
  );

  it('knows what a model has', () => {
    expect(isHeadSet('0-3.*,*.3', 4, 4)).toBe(true);
    expect(isHeadSet('4.0', 4, 4)).toBe(false);
    expect(isHeadSet('0-4.0', 4, 4)).toBe(false);
    expect(isHeadSet('0.4', 4, 4)).toBe(false);
  });

  it('names heads of a model, each once and in order', () => {
    expect(headsOfSet(' 2.1,0-1.0 *.1', 3, 2)).toEqual(['0.0', '0.1', '1.0', '1.1', '2.1']);
    expect(headsOfSet('*.*', 2, 2)).toHaveLength(4);
    expect(headsOfSet('7.0', 3, 2)).toEqual([]);
  });

  it('is a view of its own, named by its heads', () => {
    const view = { layer: 'mean', head: 'mean', heads: '3.5,4.*' } as const;
    expect(isView(view)).toBe(true);
    expect(isView({ ...view, heads: 3 })).toBe(false);
    expect(sameView(view, { layer: 'mean', head: 'mean' })).toBe(false);
    expect(viewLabel(view)).toContain('3.5,4.*');
    expect(withHead(view, { layer: 1, head: 2 })).toEqual({ layer: 1, head: 2 });
  });
});
