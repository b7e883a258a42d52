import { resize } from './canvas.js';
import { levels, logFloor } from './color-maps.js';
import type { Tile } from './matrix.js';
import type { MatrixPainter, Paint } from './matrix-painter.js';
import type { Area, Viewport } from './viewport.js';

const vertexShader = `#version 300 es
in vec2 corner;
void main() { gl_Position = vec4(corner * 2.0 - 1.0, 0.0, 1.0); }`;

// One fragment is one device pixel; it takes the strongest of the values that share it (at most 16 x 16 of them).
const fragmentShader = `#version 300 es
precision highp float;
precision highp sampler2D;
uniform sampler2D weights;
uniform sampler2D colors;
uniform vec2 origin;   // value under the lower left corner's pixel, in values from the tile's first
uniform vec2 stride;   // values per pixel
uniform float height;  // of the canvas, in pixels
uniform ivec2 shape;   // columns, rows
uniform float maximum;
uniform int scale;
uniform bool isSigned;
out vec4 color;
float scaled(float weight) {
  float share = min(1.0, abs(weight) / maximum);
  if (scale == 1) return sqrt(share);
  if (scale == 2) return share <= ${logFloor} ? 0.0 : 1.0 - log(share) / log(${logFloor});
  return share;
}
void main() {
  vec2 pixel = vec2(gl_FragCoord.x - 0.5, height - gl_FragCoord.y - 0.5);
  vec2 first = origin + pixel * stride;
  // Enlarged, the pixel's centre decides; shrunk, the pixels share out all values without a gap.
  ivec2 from = ivec2(floor(mix(first, first + 0.5 * stride, lessThan(stride, vec2(1.0)))));
  ivec2 to = max(from + 1, ivec2(floor(first + stride)));
  if (from.x < 0 || from.y < 0 || from.x >= shape.x || from.y >= shape.y) { color = vec4(0.0); return; }
  to = min(min(to, from + 16), shape);
  float weight = 0.0;
  for (int y = from.y; y < to.y; y++)
    for (int x = from.x; x < to.x; x++) {
      float value = texelFetch(weights, ivec2(x, y), 0).r;
      if (abs(value) > abs(weight)) weight = value;
    }
  float unit = maximum > 0.0 ? scaled(weight) : 0.0;
  if (isSigned) unit = 0.5 + 0.5 * sign(weight) * unit;
  color = texelFetch(colors, ivec2(int(round(unit * ${levels - 1}.0)), 0), 0);
}`;

/** Draws one tile of a matrix with WebGL2: weights and colour table are textures, moving is two numbers. */
export class MatrixWebGl implements MatrixPainter {
  private readonly program: WebGLProgram;
  private readonly textures: readonly [weights: WebGLTexture, colors: WebGLTexture];
  private tile: Tile | undefined;
  private colors: Uint32Array | undefined;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly gl: WebGL2RenderingContext,
  ) {
    this.program = link(gl);
    this.textures = [gl.createTexture(), gl.createTexture()];
    const corners = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, corners);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]), gl.STATIC_DRAW);
    const corner = gl.getAttribLocation(this.program, 'corner');
    gl.enableVertexAttribArray(corner);
    gl.vertexAttribPointer(corner, 2, gl.FLOAT, false, 0, 0);
    gl.useProgram(this.program);
    gl.uniform1i(this.uniform('weights'), 0);
    gl.uniform1i(this.uniform('colors'), 1);
  }

  draw(tile: Tile, paint: Paint, viewport: Viewport, area: Area): void {
    const { gl } = this;
    const ratio = window.devicePixelRatio;
    resize(this.canvas, area);
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    const [rows, columns] = tile.shape;
    if (rows * columns === 0) return;
    if (this.tile !== tile) this.upload(0, gl.R32F, columns, rows, gl.RED, gl.FLOAT, tile.values);
    if (this.colors !== paint.colors) {
      this.upload(1, gl.RGBA8, levels, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(paint.colors.buffer));
    }
    this.tile = tile;
    this.colors = paint.colors;
    // A pooled tile has fewer values than cells.
    const perColumn = columns / (tile.columns[1] - tile.columns[0]);
    const perRow = rows / (tile.rows[1] - tile.rows[0]);
    gl.uniform2f(
      this.uniform('origin'),
      (viewport.column - tile.columns[0]) * perColumn,
      (viewport.row - tile.rows[0]) * perRow,
    );
    gl.uniform2f(this.uniform('stride'), perColumn / (viewport.cell * ratio), perRow / (viewport.cell * ratio));
    gl.uniform1f(this.uniform('height'), this.canvas.height);
    gl.uniform2i(this.uniform('shape'), columns, rows);
    gl.uniform1f(this.uniform('maximum'), paint.max);
    gl.uniform1i(this.uniform('scale'), { linear: 0, sqrt: 1, log: 2 }[paint.scale]);
    gl.uniform1i(this.uniform('isSigned'), paint.isSigned ? 1 : 0);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }

  private upload(
    unit: 0 | 1,
    internal: number,
    width: number,
    height: number,
    format: number,
    type: number,
    data: ArrayBufferView,
  ): void {
    const { gl } = this;
    gl.activeTexture(unit === 0 ? gl.TEXTURE0 : gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.textures[unit]);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texImage2D(gl.TEXTURE_2D, 0, internal, width, height, 0, format, type, data);
    for (const parameter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(gl.TEXTURE_2D, parameter, gl.NEAREST);
    }
  }

  private uniform(name: string): WebGLUniformLocation | null {
    return this.gl.getUniformLocation(this.program, name);
  }

  /** Contexts are few (8 to 16 in a window): they are given back, not left to the garbage collector. */
  dispose(): void {
    this.gl.getExtension('WEBGL_lose_context')?.loseContext();
  }
}

/** @throws Error with the driver's words when a shader does not compile. */
function link(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, vertexShader],
    [gl.FRAGMENT_SHADER, fragmentShader],
  ] as const) {
    const shader = gl.createShader(type);
    if (!shader) throw new Error('WebGL has no shader to give.');
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    throw new Error(gl.getProgramInfoLog(program) || 'The WebGL program does not link.');
  }
  return program;
}
