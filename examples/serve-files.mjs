// A web server that gives things up before its first request: afterwards it accepts connections and reads one folder, and whoever takes it over can do no more.
// It follows symbolic links on purpose: what must not be read is the kernel's affair, not that of a check of names.
//
//   node examples/serve-files.mjs FOLDER [PORT]        --unrestricted: for comparison
//
// GET /NAME answers with the file. GET /?connect=PORT and GET /?run=COMMAND do what an exploit would.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { restrictSelf } from 'cloister';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { unrestricted: { type: 'boolean' } } });
const [folder = '.', port = '0'] = positionals;
const root = path.resolve(folder);

async function attack(query) {
  if (query.has('run')) {
    const { error, stdout } = spawnSync('/bin/sh', ['-c', query.get('run')], { encoding: 'utf8' });
    return error?.code ?? stdout;
  }
  const socket = connect(Number(query.get('connect')), '127.0.0.1');
  return once(socket, 'connect').then(
    () => 'connected',
    (error) => error.code,
  );
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  try {
    if (url.searchParams.size > 0) {
      response.end(`${await attack(url.searchParams)}\n`);
      return;
    }
    const file = path.join(root, decodeURIComponent(url.pathname));
    const { size } = await stat(file);
    const stream = createReadStream(file);
    await once(stream, 'open');
    response.writeHead(200, { 'content-length': size });
    stream.pipe(response);
  } catch (error) {
    response.writeHead(error.code === 'ENOENT' ? 404 : 403).end(`${error.code}\n`);
  }
});
server.listen(Number(port), '127.0.0.1');
await once(server, 'listening');

if (!values.unrestricted) {
  // stdio: to live. rpath: to open files for reading. anet: to accept on the socket that listens already, and to make no other.
  const { threads, missing } = restrictSelf({
    pledge: 'stdio rpath anet',
    unveil: { [root]: 'r' },
    tcp: {},
    onViolation: 'error',
  });
  console.error(`restricted ${threads} threads`, ...missing);
}
console.log(`http://127.0.0.1:${server.address().port}/`);
