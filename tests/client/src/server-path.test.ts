import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findServer, serverCommand, serverFolder } from '../../../client/src/server-path.js';

let extensionPath: string;
beforeEach(() => {
  extensionPath = mkdtempSync(path.join(tmpdir(), 'attentionlens-path-'));
  mkdirSync(path.join(extensionPath, 'server'));
});
afterEach(() => rmSync(extensionPath, { recursive: true }));

const put = (name: string): string => {
  const file = path.join(extensionPath, 'server', name);
  writeFileSync(file, '');
  return file;
};
const find = (options: { configured?: string; isTrusted?: boolean; platform?: NodeJS.Platform } = {}): string =>
  findServer({ extensionPath, configured: '', isTrusted: true, environment: {}, platform: 'linux', ...options });

describe('findServer', () => {
  it("takes the extension's own executable, with Windows' ending there", () => {
    const [plain, windows] = [put('attention-lens'), put('attention-lens.exe')];
    expect(find()).toBe(plain);
    expect(find({ platform: 'win32' })).toBe(windows);
  });

  it('takes the portable server of the universal package', () => {
    const portable = put('attention-lens.dll');
    expect(find()).toBe(portable);
  });

  it('takes the configured one in a trusted workspace only', () => {
    const own = put('attention-lens');
    const other = put('other');
    expect(find({ configured: other })).toBe(other);
    expect(find({ configured: other, isTrusted: false })).toBe(own);
  });

  it('says what is missing', () => {
    expect(() => find()).toThrow(expect.objectContaining({ isOwn: true }));
    expect(() => find({ configured: '/no/such/server' })).toThrow(
      expect.objectContaining({ isOwn: false, file: '/no/such/server' }),
    );
  });
});

describe('serverCommand', () => {
  it('runs a program itself and a .dll by dotnet', () => {
    expect(serverCommand('/x/attention-lens')).toEqual({ command: '/x/attention-lens', args: ['serve', '--stdio'] });
    expect(serverCommand('/x/attention-lens.dll')).toEqual({
      command: 'dotnet',
      args: ['/x/attention-lens.dll', 'serve', '--stdio'],
    });
  });
});

describe('serverFolder', () => {
  it('keeps an untrusted workspace out of the current folder', () => {
    expect(serverFolder({ extensionPath: '/x', isTrusted: false })).toBe('/x');
    expect(serverFolder({ extensionPath: '/x', isTrusted: true })).toBeUndefined();
  });
});
