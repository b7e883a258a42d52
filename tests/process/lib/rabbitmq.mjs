// A RabbitMQ of its own: node name, ports and folder that no other broker has, from Debian's rabbitmq-server.

import { spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Debian's wrapper drops to another user; the scripts behind it run as whoever starts them. */
const server = '/usr/lib/rabbitmq/bin/rabbitmq-server';

async function freePort() {
  const probe = createServer();
  await new Promise(resolve => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address();
  await new Promise(resolve => probe.close(resolve));
  return port;
}

export class RabbitMQ {
  static async create() {
    const rabbit = new RabbitMQ();
    rabbit.folder = await mkdtemp(path.join(tmpdir(), 'attentionlens-rabbit-'));
    [rabbit.port, rabbit.distribution, rabbit.epmd] = [await freePort(), await freePort(), await freePort()];
    await mkdir(path.join(rabbit.folder, 'home'));
    await writeFile(
      path.join(rabbit.folder, 'rabbitmq.conf'),
      `listeners.tcp.1 = 127.0.0.1:${rabbit.port}\nlog.console = false\n`,
    );
    await writeFile(path.join(rabbit.folder, 'enabled_plugins'), '[].\n');
    return rabbit;
  }

  get url() {
    return `amqp://guest:guest@127.0.0.1:${this.port}/`;
  }

  async start() {
    this.process = spawn(server, [], {
      stdio: 'ignore',
      // A group of its own: the script and the Erlang machine end together.
      detached: true,
      env: {
        PATH: process.env.PATH,
        HOME: path.join(this.folder, 'home'),
        ERL_EPMD_PORT: String(this.epmd),
        RABBITMQ_NODENAME: `attentionlens-${this.port}@localhost`,
        RABBITMQ_DIST_PORT: String(this.distribution),
        RABBITMQ_CONFIG_FILE: path.join(this.folder, 'rabbitmq.conf'),
        RABBITMQ_ENABLED_PLUGINS_FILE: path.join(this.folder, 'enabled_plugins'),
        RABBITMQ_MNESIA_BASE: path.join(this.folder, 'data'),
        RABBITMQ_LOG_BASE: path.join(this.folder, 'log'),
        RABBITMQ_PID_FILE: path.join(this.folder, 'pid'),
        RABBITMQ_SCHEMA_DIR: path.join(this.folder, 'schema'),
        RABBITMQ_GENERATED_CONFIG_DIR: path.join(this.folder, 'config'),
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 1:1',
      },
    });
    const ended = new Promise(resolve => this.process.once('exit', code => resolve(code)));
    this.ended = ended;
    for (let tries = 0; ; tries++) {
      if (await answers(this.port)) return;
      if (this.process.exitCode !== null)
        throw new Error(`rabbitmq-server ended with ${this.process.exitCode}; see ${this.folder}/log`);
      if (tries > 1500) throw new Error(`rabbitmq-server does not listen; see ${this.folder}/log`);
      await delay(200);
    }
  }

  /** Not asked to end: what it has not written is lost. */
  async kill() {
    try {
      process.kill(-this.process.pid, 'SIGKILL');
    } catch {
      return; // it has ended
    }
    await this.ended;
  }

  async dispose() {
    await this.kill();
    // Erlang's port mapper makes itself a daemon.
    spawnSync('epmd', ['-kill'], { env: { PATH: process.env.PATH, ERL_EPMD_PORT: String(this.epmd) } });
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The broker speaks first when it is spoken to: a header of another version is answered with its own. */
function answers(port) {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(1000, () => socket.destroy());
    socket.on('connect', () => socket.write('AMQP\0\0\0\0'));
    socket.on('data', data => {
      resolve(data.toString('latin1', 0, 4) === 'AMQP');
      socket.destroy();
    });
    socket.on('error', () => resolve(false));
    socket.on('close', () => resolve(false));
  });
}
