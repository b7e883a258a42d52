import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

/** A step that failed in a way the user can act on: printed as one sentence, without a stack. */
export class StepError extends Error {}

// npm is a .cmd on Windows, which only a shell starts.
const needsShell = command => process.platform === 'win32' && ['npm', 'npx', 'code'].includes(command);

/**
 * Runs a command to its end. Rejects with StepError when it cannot be started or exits non-zero,
 * unless `allowFailure`. With `capture` its output is returned instead of shown, and only shown on failure.
 * @returns {Promise<{ code: number, output: string }>}
 */
export function run(command, args, { cwd, env, capture = false, allowFailure = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      shell: needsShell(command),
      stdio: ['ignore', capture ? 'pipe' : 'inherit', capture ? 'pipe' : 'inherit'],
    });
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', text => {
      output += text;
    });
    child.stderr?.setEncoding('utf8').on('data', text => {
      output += text;
    });
    child.on('error', error => reject(new StepError(`${command} could not be started: ${error.message}`)));
    child.on('close', (code, signal) => {
      if (code === 0 || allowFailure) {
        resolve({ code: code ?? 1, output });
        return;
      }
      if (capture) process.stderr.write(output);
      reject(
        new StepError(
          `${path.basename(command)} ${args.slice(0, 3).join(' ')} ${signal ? `was ended by ${signal}` : `failed with exit status ${code}`}.`,
        ),
      );
    });
  });
}

/** Full path of a program on the PATH, or undefined. */
export function which(program) {
  const suffixes = process.platform === 'win32' ? (process.env.PATHEXT ?? '.EXE;.CMD').split(';') : [''];
  for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
    for (const suffix of suffixes) {
      const file = path.join(folder, program + suffix);
      if (folder && existsSync(file)) return file;
    }
  }
  return undefined;
}

/** First line of what a program prints for its version, or undefined when it is not there. */
export function versionOf(program, args = ['--version']) {
  const result = spawnSync(program, args, { encoding: 'utf8', shell: needsShell(program) });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

export function seconds(milliseconds) {
  const total = milliseconds / 1000;
  return total < 60 ? `${total.toFixed(1)} s` : `${Math.floor(total / 60)} min ${Math.round(total % 60)} s`;
}

/** Runs and times named steps, and remembers how each went for the closing table. */
export class Steps {
  #results = [];

  /** Runs `body`; a failure is thrown on unless `keepGoing`, and is remembered in both cases. */
  async step(name, body, { keepGoing = false } = {}) {
    const started = Date.now();
    console.log(`\n== ${name}`);
    try {
      const note = await body();
      this.#results.push({ name, ok: true, time: Date.now() - started, note });
      console.log(`== ${name}: ${seconds(Date.now() - started)}`);
      return note;
    } catch (error) {
      this.#results.push({ name, ok: false, time: Date.now() - started, note: error.message });
      console.error(
        `== ${name}: FAILED after ${seconds(Date.now() - started)}: ${error instanceof StepError ? error.message : error.stack}`,
      );
      if (!keepGoing) throw error;
      return undefined;
    }
  }

  get failed() {
    return this.#results.some(result => !result.ok);
  }

  printSummary() {
    const width = Math.max(...this.#results.map(result => result.name.length));
    console.log('');
    for (const { name, ok, time, note } of this.#results) {
      console.log(
        `${ok ? 'ok    ' : 'FAILED'}  ${name.padEnd(width)}  ${seconds(time).padStart(12)}${note ? `  ${note}` : ''}`,
      );
    }
  }
}

/** Runs a script's main function; a StepError ends it with its sentence, anything else with its stack. */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    console.error(error instanceof StepError ? `\n${error.message}` : error.stack);
    process.exitCode = 1;
  }
}
