import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { run, StepError, versionOf, which } from './process.mjs';

/** Programs that only some steps need, with the Debian/Ubuntu package that holds them. */
const programs = {
  chromium: { found: chromium, apt: 'chromium', what: 'Chromium or Google Chrome' },
  ripgrep: { found: () => which('rg'), apt: 'ripgrep', what: 'ripgrep (rg)' },
  compiler: { found: () => which('g++') ?? which('clang++'), apt: 'g++', what: 'a C++ compiler' },
  neovim: { found: () => which('nvim'), apt: 'neovim', what: 'Neovim (nvim)' },
  numpy: {
    found: () =>
      versionOf('/usr/bin/python3', ['-c', 'import numpy, pandas; print(numpy.__version__, pandas.__version__)']),
    apt: 'python3-pandas',
    what: 'NumPy and pandas for /usr/bin/python3',
  },
  rabbitmq: {
    found: () => existsSync('/usr/lib/rabbitmq/bin/rabbitmq-server'),
    apt: 'rabbitmq-server',
    what: 'RabbitMQ (rabbitmq-server)',
  },
  make: { found: () => which('make'), apt: 'make', what: 'make' },
  python: { found: () => which('python3'), apt: 'python3', what: 'Python 3 (for node-gyp)' },
  fonts: {
    found: () =>
      process.platform !== 'linux' ||
      existsSync('/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf') ||
      versionOf('fc-match', ['monospace']),
    apt: 'fonts-dejavu-core',
    what: 'a monospace font',
  },
};

/** Path of a Chromium-based browser, or undefined. `CHROMIUM` overrides the search. */
export function chromium() {
  const candidates = [
    process.env.CHROMIUM,
    which('chromium'),
    which('chromium-browser'),
    which('google-chrome'),
    which('google-chrome-stable'),
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
  ];
  return candidates.find(file => file && existsSync(file));
}

/** Node and the .NET SDK cannot be installed for the user in one agreed way: say what is missing and where it is to be had. */
export function checkToolchain() {
  if (Number(process.versions.node.split('.')[0]) < 20) {
    throw new StepError(
      `Node.js 20 or later is needed, and this is ${process.versions.node}: see https://nodejs.org/.`,
    );
  }
  const home = process.env.DOTNET_ROOT ?? path.join(homedir(), '.dotnet');
  if (!which('dotnet') && existsSync(path.join(home, 'dotnet'))) {
    process.env.PATH = `${home}${path.delimiter}${process.env.PATH}`;
  }
  const sdks = versionOf('dotnet', ['--list-sdks']) ?? '';
  if (!/^(1\d)\./m.test(sdks)) {
    throw new StepError(
      'The .NET 10 SDK is needed to build the server, and `dotnet --list-sdks` does not show it: ' +
        "see https://dotnet.microsoft.com/download/dotnet/10.0 (Debian and Ubuntu: apt-get install dotnet-sdk-10.0 from Microsoft's or Ubuntu's own archive).",
    );
  }
}

/** Makes sure that the named programs are there; installs what is missing with apt where this user may, else says what to install. */
export async function ensurePrograms(...names) {
  const missing = names.filter(name => !programs[name].found());
  if (missing.length === 0) return;
  const packages = missing.map(name => programs[name].apt);
  const asRoot =
    process.getuid?.() === 0
      ? []
      : which('sudo') && versionOf('sudo', ['-n', 'true']) !== undefined
        ? ['sudo', '-n']
        : undefined;
  if (which('apt-get') && asRoot) {
    const apt = async (...args) => {
      const [command, ...rest] = [...asRoot, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-qq', ...args];
      await run(command, rest, { capture: true });
    };
    console.log(`installing ${packages.join(', ')} with apt-get`);
    await apt('update');
    await apt('install', '-y', '--no-install-recommends', ...packages);
  }
  const still = names.filter(name => !programs[name].found());
  if (still.length > 0) {
    throw new StepError(
      `Please install ${still.map(name => programs[name].what).join(', ')}` +
        ` (on Debian or Ubuntu: sudo apt-get install ${still.map(name => programs[name].apt).join(' ')}), then run the command again.`,
    );
  }
}
