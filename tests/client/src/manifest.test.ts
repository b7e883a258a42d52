import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { messages } from '../../../client/shared/messages.js';
import { serverSentences } from '../../../client/src/server-sentences.js';

const client = fileURLToPath(new URL('../../../client/', import.meta.url));
const read = (file: string) => JSON.parse(readFileSync(path.join(client, file), 'utf8'));
const manifest = read('package.json');
const { contributes } = manifest;

const strings = (value: unknown): string[] =>
  typeof value === 'string'
    ? [value]
    : typeof value === 'object' && value !== null
      ? Object.values(value).flatMap(strings)
      : [];

describe('package.json', () => {
  it('names files that exist', () => {
    expect(existsSync(path.join(client, manifest.icon))).toBe(true);
    expect(manifest.icon).toMatch(/\.png$/);
    expect(existsSync(path.join(client, manifest.l10n))).toBe(true);
    for (const { icon } of contributes.viewsContainers.activitybar)
      expect(existsSync(path.join(client, icon))).toBe(true);
    for (const { url } of contributes.jsonValidation) expect(existsSync(path.join(client, url))).toBe(true);
    for (const { steps } of contributes.walkthroughs) {
      for (const { media } of steps) expect(existsSync(path.join(client, media.markdown))).toBe(true);
    }
  });

  it('asks for the VS Code whose API it is compiled against', () => {
    expect(manifest.engines.vscode).toBe(`^${manifest.devDependencies['@types/vscode']}`);
  });

  it('has a text for each placeholder, and no text too many', () => {
    const keys = new Set(strings(manifest).flatMap(text => (/^%.+%$/.test(text) ? [text.slice(1, -1)] : [])));
    expect([...keys].sort()).toEqual(Object.keys(read('package.nls.json')).sort());
  });

  it('has a Cmd twin for each Ctrl key binding', () => {
    for (const { key, mac, when } of contributes.keybindings) {
      // Option with a digit types a character on a Mac.
      expect(mac).toBe(/^alt\+\d$/.test(key) ? `ctrl+${key}` : key.replace('ctrl', 'cmd'));
      expect(when).toBeTruthy();
    }
  });

  it('gives each command the category and a title', () => {
    for (const command of contributes.commands) {
      expect(command.command).toMatch(/^attentionLens\.\w+$/);
      expect(command.category).toBe('AttentionLens');
      expect(command.title).toMatch(/^%.+%$/);
    }
  });

  it('puts only its own commands into menus and key bindings', () => {
    const known = contributes.commands.map(({ command }: { command: string }) => command);
    const used = [...Object.values(contributes.menus), contributes.keybindings]
      .flat()
      .map(entry => (entry as { command: string }).command);
    for (const command of used) expect(known).toContain(command);
  });

  it('gives each setting a scope, a default and a description', () => {
    for (const setting of Object.values<Record<string, unknown>>(contributes.configuration.properties)) {
      expect(setting).toHaveProperty('scope');
      expect(setting).toHaveProperty('default');
      expect(setting.markdownDescription).toMatch(/^%.+%$/);
    }
  });

  it('keeps paths of executable input out of untrusted workspaces', () => {
    expect(manifest.capabilities.untrustedWorkspaces.restrictedConfigurations).toEqual([
      'attentionLens.server.path',
      'attentionLens.model',
      'attentionLens.imageModel',
    ]);
  });
});

describe('translations', () => {
  const placeholders = (text: string) => (text.match(/\{\d+\}|\(command:[^)]*\)/g) ?? []).sort();
  const english = read('package.nls.json') as Record<string, string>;
  const chinese = read('package.nls.zh-cn.json') as Record<string, string>;
  const bundle = read('l10n/bundle.l10n.zh-cn.json') as Record<string, string>;
  const sources = readdirSync(path.join(client, 'src'), { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts'))
    .map(file => readFileSync(path.join(client, 'src', file), 'utf8'));
  const spoken = [
    ...Object.values(messages),
    ...serverSentences,
    ...sources.flatMap(text => [...text.matchAll(/l10n\s*\.t\(\s*'((?:[^'\\]|\\.)*)'/g)].map(match => match[1] ?? '')),
  ];

  it('cover the manifest, with the same commands and numbers in them', () => {
    expect(Object.keys(chinese)).toEqual(Object.keys(english));
    for (const [key, text] of Object.entries(english)) {
      expect(placeholders(chinese[key] ?? ''), key).toEqual(placeholders(text));
    }
  });

  it('cover what extension and panels say, and nothing else', () => {
    expect(Object.keys(bundle).sort()).toEqual([...new Set(spoken)].sort());
    for (const [text, translation] of Object.entries(bundle)) {
      expect(placeholders(translation), text).toEqual(placeholders(text));
    }
  });

  it('are right for one thing as for many', () => {
    const counted = [...new Set(spoken)].flatMap(text => {
      const noun = /^\{0\} (annotation|document|head|hit|label|line|link|model|text|token)s\b/.exec(text)?.[1];
      return noun ? [{ text, noun }] : [];
    });
    expect(counted.length).toBeGreaterThan(3);
    for (const { text, noun } of counted) {
      expect(
        spoken.some(other => new RegExp(`^(1|A) ${noun}\\b`).test(other)),
        text,
      ).toBe(true);
    }
  });
});

describe('what users read', () => {
  // Words that stay as they are: formulas, signs, names of products and formats.
  const untranslated = /^(softmax\(|AttentionLens$|[^a-z]*$)/i;
  const sources = ['src', 'webview', 'webview/views'].flatMap(folder =>
    readdirSync(path.join(client, folder))
      .filter(file => /\.tsx?$/.test(file))
      .map(file => path.join(client, folder, file)),
  );

  /** Text that stands in the code where a user sees it, instead of going through t() or l10n.t(). */
  function spokenDirectly(file: string): string[] {
    const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
    const found: string[] = [];
    const check = (node: ts.Node, text: string) => {
      if (/[A-Za-z]{2}/.test(text) && !untranslated.test(text.trim())) {
        found.push(`${path.basename(file)}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${text}`);
      }
    };
    const literal = (node: ts.Node | undefined): string => {
      if (!node) return '';
      if (ts.isStringLiteralLike(node)) return node.text;
      if (ts.isTemplateExpression(node))
        return [node.head, ...node.templateSpans.map(span => span.literal)].map(part => part.text).join(' ');
      if (ts.isJsxExpression(node)) return literal(node.expression);
      return '';
    };
    const visit = (node: ts.Node): void => {
      if (ts.isJsxText(node)) check(node, node.text);
      else if (ts.isJsxExpression(node) && ts.isJsxElement(node.parent)) check(node, literal(node));
      else if (
        ts.isJsxAttribute(node) &&
        /^(title|label|placeholder|hint|name|caption|message|aria-label)$/.test(node.name.getText())
      ) {
        check(node, literal(node.initializer));
      } else if (
        ts.isCallExpression(node) &&
        /\.(show\w+Message|createWebviewPanel|setStatusBarMessage)$/.test(node.expression.getText())
      ) {
        for (const argument of node.arguments) if (/ /.test(literal(argument))) check(argument, literal(argument));
      } else if (ts.isNewExpression(node) && /^(ServerError|vscode\.TreeItem)$/.test(node.expression.getText())) {
        check(node, literal(node.arguments?.[0]));
      } else if (
        ts.isPropertyAssignment(node) &&
        /^(title|placeHolder|description|detail)$/.test(node.name.getText())
      ) {
        check(node, literal(node.initializer));
      } else if (
        ts.isBinaryExpression(node) &&
        node.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
        /\.(title|placeholder|tooltip|description|detail|text|message)$/.test(node.left.getText())
      ) {
        check(node, literal(node.right).replace(/\$\(\w+\)/g, ''));
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
    return found;
  }

  it('goes through the translations', () => {
    expect(sources.flatMap(spokenDirectly)).toEqual([]);
  });

  it('would be found if it did not', () => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'attentionlens-')), 'view.tsx');
    writeFileSync(
      file,
      "const a = <p title=\"Some text\">More text{`and more`}</p>;\nitem.tooltip = 'A tip';\nthrow new ServerError('No good.');\n",
    );
    expect(spokenDirectly(file)).toHaveLength(5);
  });
});

describe('theme colours', () => {
  const colors = new Map<string, Record<string, string>>(
    contributes.colors.map((color: { id: string; defaults: Record<string, string> }) => [color.id, color.defaults]),
  );

  it('exist for each theme kind', () => {
    for (const defaults of colors.values()) {
      expect(Object.keys(defaults).sort()).toEqual(['dark', 'highContrast', 'highContrastLight', 'light']);
    }
  });

  // Editor background and text of VS Code's own Dark Modern and Light Modern themes. WCAG AA for text: 4.5.
  it.each([
    ['dark', [31, 31, 31], [204, 204, 204]],
    ['light', [255, 255, 255], [59, 59, 59]],
  ] as const)('leave text legible on every tint (%s)', (kind, background, text) => {
    const strengths: number[] = [];
    for (let bucket = 1; bucket <= 11; bucket++) {
      const tint = over(colors.get(`attentionLens.weight${bucket}Background`)?.[kind] ?? '', background);
      expect(contrast(luminance(text), luminance(tint)), `bucket ${bucket}`).toBeGreaterThanOrEqual(4.5);
      strengths.push(contrast(luminance(tint), luminance(background)));
    }
    expect(strengths).toEqual([...strengths].sort((a, b) => a - b));
  });

  it('give high contrast themes borders instead of fills', () => {
    for (let bucket = 1; bucket <= 11; bucket++) {
      for (const [kind, background] of [
        ['highContrast', [0, 0, 0]],
        ['highContrastLight', [255, 255, 255]],
      ] as const) {
        expect(colors.get(`attentionLens.weight${bucket}Background`)?.[kind]).toBe('#00000000');
        const border = over(colors.get(`attentionLens.weight${bucket}Border`)?.[kind] ?? '', background);
        expect(contrast(luminance(border), luminance(background))).toBeGreaterThanOrEqual(7);
      }
    }
  });
});

type Rgb = readonly [number, number, number];

function over(color: string, background: Rgb): Rgb {
  const [r = 0, g = 0, b = 0, a = 255] = (color.match(/[0-9a-f]{2}/gi) ?? []).map(part => Number.parseInt(part, 16));
  const mix = (top: number, bottom: number) => (top * a + bottom * (255 - a)) / 255;
  return [mix(r, background[0]), mix(g, background[1]), mix(b, background[2])];
}

/** Relative luminance as WCAG 2 defines it. */
function luminance([r, g, b]: Rgb): number {
  const linear = (value: number) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

const contrast = (a: number, b: number): number => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
