import { useEffect, useState } from 'preact/hooks';

export interface Theme {
  readonly isLight: boolean;
  readonly isHighContrast: boolean;
  readonly foreground: string;
  readonly dimmed: string;
  readonly query: string;
  readonly key: string;
  readonly background: string;
  readonly font: string;
}

function read(): Theme {
  const kind = document.body.dataset.vscodeThemeKind ?? 'vscode-dark';
  const style = getComputedStyle(document.body);
  const variable = (name: string, fallback: string) => style.getPropertyValue(name).trim() || fallback;
  const isLight = kind === 'vscode-light' || kind === 'vscode-high-contrast-light';
  return {
    isLight,
    isHighContrast: kind.startsWith('vscode-high-contrast'),
    foreground: variable('--vscode-editor-foreground', isLight ? '#3b3b3b' : '#cccccc'),
    dimmed: variable('--vscode-descriptionForeground', isLight ? '#616161' : '#9d9d9d'),
    query: variable('--vscode-attentionLens-queryBorder', isLight ? '#005fb8' : '#4fc1ff'),
    key: variable('--vscode-attentionLens-keyBorder', isLight ? '#7a4b00' : '#ffd166'),
    background: variable('--vscode-editor-background', isLight ? '#ffffff' : '#1f1f1f'),
    font: variable('--vscode-font-family', 'sans-serif'),
  };
}

const same = (a: Theme, b: Theme): boolean => JSON.stringify(a) === JSON.stringify(b);

/** The colours that canvases draw with: VS Code changes them on the body, without telling anyone. */
export function useTheme(): Theme {
  const [theme, setTheme] = useState(read);
  useEffect(() => {
    const update = () => setTheme(before => (same(before, read()) ? before : read()));
    const observer = new MutationObserver(update);
    observer.observe(document.body, { attributes: true });
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style'] });
    // What changed between the first rendering and now went unseen.
    update();
    return () => observer.disconnect();
  }, []);
  return theme;
}
