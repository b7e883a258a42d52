/** What the panels' drawing code uses of a canvas context, so that the same code also writes SVG. */
export type Surface = Pick<
  CanvasRenderingContext2D,
  | 'beginPath'
  | 'bezierCurveTo'
  | 'clip'
  | 'fillRect'
  | 'fillText'
  | 'measureText'
  | 'moveTo'
  | 'rect'
  | 'restore'
  | 'rotate'
  | 'save'
  | 'stroke'
  | 'strokeRect'
  | 'translate'
  | 'fillStyle'
  | 'font'
  | 'globalAlpha'
  | 'lineCap'
  | 'lineWidth'
  | 'strokeStyle'
  | 'textAlign'
  | 'textBaseline'
>;

interface State {
  fillStyle: string;
  strokeStyle: string;
  font: string;
  globalAlpha: number;
  lineCap: CanvasLineCap;
  lineWidth: number;
  textAlign: CanvasTextAlign;
  transform: string;
  clip: string;
}

const escapeXml = (text: string): string => text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`);

/** Two decimals are finer than any printer. */
const round = (value: number): string => String(Math.round(value * 100) / 100);

/** Writes what is drawn on it as SVG elements. */
export class SvgSurface implements Surface {
  private readonly elements: string[] = [];
  private readonly definitions: string[] = [];
  private readonly stack: State[] = [];
  private readonly ruler = document.createElement('canvas').getContext('2d');
  private path = '';
  private pathRect: string | null = null;
  private state: State = {
    fillStyle: '#000000',
    strokeStyle: '#000000',
    font: '12px sans-serif',
    globalAlpha: 1,
    lineCap: 'butt',
    lineWidth: 1,
    textAlign: 'left',
    transform: '',
    clip: '',
  };
  /** All text stands on its middle line, as in the panels. */
  textBaseline: CanvasTextBaseline = 'middle';

  get fillStyle(): string {
    return this.state.fillStyle;
  }
  set fillStyle(value: string | CanvasGradient | CanvasPattern) {
    this.state.fillStyle = String(value);
  }
  get strokeStyle(): string {
    return this.state.strokeStyle;
  }
  set strokeStyle(value: string | CanvasGradient | CanvasPattern) {
    this.state.strokeStyle = String(value);
  }
  get font(): string {
    return this.state.font;
  }
  set font(value: string) {
    this.state.font = value;
  }
  get globalAlpha(): number {
    return this.state.globalAlpha;
  }
  set globalAlpha(value: number) {
    this.state.globalAlpha = value;
  }
  get lineCap(): CanvasLineCap {
    return this.state.lineCap;
  }
  set lineCap(value: CanvasLineCap) {
    this.state.lineCap = value;
  }
  get lineWidth(): number {
    return this.state.lineWidth;
  }
  set lineWidth(value: number) {
    this.state.lineWidth = value;
  }
  get textAlign(): CanvasTextAlign {
    return this.state.textAlign;
  }
  set textAlign(value: CanvasTextAlign) {
    this.state.textAlign = value;
  }

  save(): void {
    this.stack.push({ ...this.state });
  }
  restore(): void {
    this.state = this.stack.pop() ?? this.state;
  }
  translate(x: number, y: number): void {
    this.state.transform += ` translate(${round(x)} ${round(y)})`;
  }
  rotate(angle: number): void {
    this.state.transform += ` rotate(${round((angle * 180) / Math.PI)})`;
  }

  beginPath(): void {
    this.path = '';
    this.pathRect = null;
  }
  moveTo(x: number, y: number): void {
    this.path += `M${round(x)} ${round(y)}`;
  }
  bezierCurveTo(x1: number, y1: number, x2: number, y2: number, x: number, y: number): void {
    this.path += `C${[x1, y1, x2, y2, x, y].map(round).join(' ')}`;
  }
  rect(x: number, y: number, width: number, height: number): void {
    this.pathRect = `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}"/>`;
  }
  clip(): void {
    if (!this.pathRect) return;
    const id = `clip${this.definitions.length}`;
    this.definitions.push(`<clipPath id="${id}">${this.pathRect}</clipPath>`);
    this.state.clip = id;
  }
  stroke(): void {
    this.add(`<path d="${this.path}" fill="none"${this.strokeAttributes()}`);
  }
  strokeRect(x: number, y: number, width: number, height: number): void {
    this.add(`${this.box(x, y, width, height)} fill="none"${this.strokeAttributes()}`);
  }
  fillRect(x: number, y: number, width: number, height: number): void {
    this.add(`${this.box(x, y, width, height)} fill="${escapeXml(this.state.fillStyle)}"`);
  }
  measureText(text: string): TextMetrics {
    if (!this.ruler) throw new Error('There is no canvas to measure text with.');
    this.ruler.font = this.state.font;
    return this.ruler.measureText(text);
  }
  fillText(text: string, x: number, y: number, maxWidth?: number): void {
    const anchor = { right: 'end', end: 'end', center: 'middle', left: 'start', start: 'start' }[this.state.textAlign];
    const tooWide = maxWidth !== undefined && this.measureText(text).width > maxWidth;
    const fit = tooWide ? ` textLength="${round(maxWidth)}" lengthAdjust="spacingAndGlyphs"` : '';
    this.add(
      `<text x="${round(x)}" y="${round(y)}" dominant-baseline="central" text-anchor="${anchor}"` +
        ` style="font: ${escapeXml(this.state.font)}" fill="${escapeXml(this.state.fillStyle)}"${fit}`,
      escapeXml(text),
    );
  }

  /** A picture given as a data URL, such as the thumbnails of the model view. */
  image(url: string, x: number, y: number, width: number, height: number): void {
    this.add(
      `<image href="${url}" x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}"` +
        ' preserveAspectRatio="none" style="image-rendering: pixelated"',
    );
  }

  toSvg(width: number, height: number, background: string): string {
    const size = `width="${round(width)}" height="${round(height)}" viewBox="0 0 ${round(width)} ${round(height)}"`;
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" ${size}>`,
      this.definitions.length > 0 ? `<defs>${this.definitions.join('')}</defs>` : '',
      `<rect width="100%" height="100%" fill="${escapeXml(background)}"/>`,
      ...this.elements,
      '</svg>',
      '',
    ].join('\n');
  }

  private box(x: number, y: number, width: number, height: number): string {
    return `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}"`;
  }

  private strokeAttributes(): string {
    const { strokeStyle, lineWidth, lineCap } = this.state;
    return ` stroke="${escapeXml(strokeStyle)}" stroke-width="${round(lineWidth)}" stroke-linecap="${lineCap}"`;
  }

  private add(open: string, content?: string): void {
    const { globalAlpha, transform, clip } = this.state;
    const attributes = [
      globalAlpha < 1 ? ` opacity="${round(globalAlpha)}"` : '',
      transform ? ` transform="${transform.trim()}"` : '',
      clip ? ` clip-path="url(#${clip})"` : '',
    ].join('');
    const name = /^<(\w+)/.exec(open)?.[1] ?? '';
    this.elements.push(content === undefined ? `${open}${attributes}/>` : `${open}${attributes}>${content}</${name}>`);
  }
}
