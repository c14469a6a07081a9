import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { deedsInCell, inCells, shell } from '../support/cells.js';
import { deedsOutside } from '../support/deeds.js';
import { USERS } from '../support/in-subprocess.js';
import { scratch } from '../support/scratch.js';

async function listening(server: net.Server, ...address: [string] | [number, string]): Promise<net.Server> {
  if (typeof address[0] === 'string') {
    server.listen(address[0]);
  } else {
    server.listen(...(address as [number, string]));
  }
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  return server;
}

/** A listener on the host's loopback; its port. */
async function tcpPort(): Promise<number> {
  const server = await listening(net.createServer(), 0, '127.0.0.1');
  return (server.address() as net.AddressInfo).port;
}

describe.each(USERS)('network of a cell, as %s', (user) => {
  it('none: there is a loopback interface, it is up and works, and there is no other', async () => {
    const results = await deedsInCell(user, ['interfaces', 'loopback', 'interface-down,lo']);
    expect(results).toEqual({ interfaces: 'OK:lo+', loopback: 'OK', 'interface-down,lo': 'EPERM' });
    expect(deedsOutside(user, ['interfaces'])['interfaces']).toMatch(/^OK:lo\+ ./);
  });

  it('none: the host’s loopback and the world are out of reach', async () => {
    const port = await tcpPort();
    const deeds = [`connect,127.0.0.1,${String(port)}`, 'connect,192.0.2.1,80'];
    expect(Object.values(await deedsInCell(user, deeds))).toEqual(['ECONNREFUSED', 'ENETUNREACH']);
    expect(Object.values(deedsOutside(user, deeds.slice(0, 1)))).toEqual(['OK']);
  });

  it('host: listeners of the host can be reached', async () => {
    const port = await tcpPort();
    const deeds = [`connect,127.0.0.1,${String(port)}`, 'loopback'];
    const [result] = await inCells(user, [{ args: deeds, options: { net: 'host' } }]);
    expect(Object.values(result?.deeds ?? {})).toEqual(['OK', 'OK']);
    expect(result?.enforcement.namespaces).not.toContain('net');
  });

  it.each(['none', 'host'] as const)('%s: abstract Unix sockets of the host are out of reach', async (network) => {
    const name = `cloister-test-${String(process.pid)}-${user}-${network}`;
    await listening(net.createServer(), `\0${name}`);
    const deeds = [`connect-abstract,${name}`];
    expect(Object.values(deedsOutside(user, deeds))).toEqual(['OK']);
    expect(Object.values(await deedsInCell(user, deeds, { net: network }))).toEqual([
      network === 'none' ? 'ECONNREFUSED' : 'EPERM',
    ]);
    const open = await deedsInCell(user, deeds, { net: network, scope: false });
    expect(Object.values(open)).toEqual([network === 'none' ? 'ECONNREFUSED' : 'OK']);
  });

  it('reaches a Unix socket by path only where its directory is shown', async () => {
    const folder = scratch('root');
    const socket = path.join(folder, 'socket');
    await listening(net.createServer(), socket);
    const { chmodSync } = await import('node:fs');
    chmodSync(socket, 0o777);
    const deeds = [`connect-unix,${socket}`];
    expect(Object.values(await deedsInCell(user, deeds))).toEqual(['ENOENT']);
    expect(Object.values(await deedsInCell(user, deeds, { mounts: [{ type: 'bind', source: socket }] }))).toEqual([
      'OK',
    ]);
  });

  it('names resolve with the host’s configuration only where there is a network', async () => {
    const script = 'ls /etc/resolv.conf /etc/hosts 2>/dev/null';
    const results = await inCells(user, [shell(script), shell(script, { net: 'host' })]);
    expect(results.map(({ stdout }) => stdout)).toEqual(['/etc/hosts\n', '/etc/hosts\n/etc/resolv.conf\n']);
  });
});
