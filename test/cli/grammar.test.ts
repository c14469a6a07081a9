import { describe, expect, it } from 'vitest';

import * as grammar from '../../lib/cli/grammar.js';

const noFile = (path: string) => ({ problem: `no ${path}` });

const isImage = (path: string): boolean => path.endsWith('.tar');

describe('the grammar of option values', () => {
  it.each([
    ['/a', ['/a']],
    ['/a:/b:rw', ['/a', '/b', 'rw']],
    ['/a\\:b:/c', ['/a:b', '/c']],
    ['/a\\\\:/c', ['/a\\', '/c']],
    ['/a\\b', ['/a\\b']],
    ['\\', ['\\']],
    ['', ['']],
    [':', ['', '']],
    ['/ä:/🙂', ['/ä', '/🙂']],
    ['/line\nbreak:/x', ['/line\nbreak', '/x']],
  ])('divides %j at colons that no backslash precedes', (text, fields) => {
    expect(grammar.splitFields(text)).toEqual(fields);
  });

  it.each([
    ['/srv/data:rw', '/srv/data', 'rw'],
    ['/srv/data:', '/srv/data', ''],
    ['/srv/a:b:c:r', '/srv/a:b:c', 'r'],
    ['.:rwc', '.', 'rwc'],
  ])('divides --unveil %s at its last colon', (text, path, letters) => {
    expect(grammar.parseUnveil(text)).toEqual({ value: { path, letters } });
  });

  it.each([
    ['/usr', { source: '/usr' }],
    ['data:/data', { source: 'data', target: '/data' }],
    ['/a:rw', { source: '/a', writable: true }],
    ['/a:/b:rw,optional,noexec', { source: '/a', target: '/b', writable: true, optional: true, executable: false }],
    ['/a:/b:ro,exec', { source: '/a', target: '/b', writable: false, executable: true }],
    ['/a\\:rw:/b', { source: '/a:rw', target: '/b' }],
    ['/a:/rw', { source: '/a', target: '/rw' }],
  ])('reads --bind %s', (text, members) => {
    expect(grammar.parseBind(text)).toEqual({ value: { type: 'bind', ...members } });
  });

  it.each([
    '/a:',
    '/a:/b:',
    '/a:b',
    '/a:/b:/c',
    '/a:rw:/b',
    '/a:rw,',
    '/a:rw,rw',
    '/a:exec,noexec',
    '/a:toString',
    '/a:size=1',
  ])('refuses --bind %s', (text) => {
    expect(grammar.parseBind(text)).toHaveProperty('problem');
  });

  it.each([
    ['/w', { target: '/w' }],
    ['/w:size=1GiB,mode=1777,exec', { target: '/w', size: '1GiB', mode: 0o1777, executable: true }],
    ['/w:size=4096,noexec', { target: '/w', size: 4096, executable: false }],
    ['/w:mode=0o700', { target: '/w', mode: 0o700 }],
    ['/w:mode=rwx', { target: '/w', mode: 'rwx' }],
  ])('reads --tmpfs %s', (text, members) => {
    expect(grammar.parseTmpfs(text)).toEqual({ value: { type: 'tmpfs', ...members } });
  });

  it.each([
    ['/l:/t', { lower: ['/l'], target: '/t' }],
    ['/a:/b:/t:upper=/u', { lower: ['/a', '/b'], target: '/t', upper: '/u' }],
    ['/a\\:b:/t', { lower: ['/a:b'], target: '/t' }],
  ])('reads --overlay %s', (text, members) => {
    expect(grammar.parseOverlay(text)).toEqual({ value: { type: 'overlay', ...members } });
  });

  it.each([
    ['/f=', { target: '/f', content: '' }],
    ['/f=a=b:c', { target: '/f', content: 'a=b:c' }],
    ['/f=@x', { target: '/f', content: '@x' }],
    ['/f=two\nlines', { target: '/f', content: 'two\nlines' }],
    ['/f:rw=text', { target: '/f', content: 'text', writable: true }],
    ['/f:mode=600,rw=text', { target: '/f', content: 'text', writable: true, mode: 0o600 }],
    ['/a\\:b\\=c=text', { target: '/a:b=c', content: 'text' }],
  ])('reads --file %j', (text, members) => {
    expect(grammar.parseFile(text, noFile)).toEqual({ value: { type: 'file', ...members } });
  });

  it('reads the content of --file TARGET:@FILE from the file', () => {
    const content = new Uint8Array([0, 255]);
    const read = (path: string) => (path === 'x:y=z' ? { value: content } : { problem: path });
    expect(grammar.parseFile('/f:mode=755:@x:y=z', read)).toEqual({
      value: { type: 'file', target: '/f', content, mode: 0o755 },
    });
    expect(grammar.parseFile('/f:@other', read)).toEqual({ problem: 'other' });
  });

  it.each(['/f', '/f:rw', '/f:mdoe=755=x', '/f:x=y', '/a:b:@c'])(
    'refuses --file %s rather than guess what is content',
    (text) => {
      expect(grammar.parseFile(text, noFile)).toHaveProperty('problem');
    },
  );

  it.each([
    ['system', 'system'],
    ['./system', { directory: './system' }],
    ['~', { directory: '~' }],
    ['rootfs', { directory: 'rootfs' }],
    ['tree:rw', { directory: 'tree', writable: true }],
    ['/r:rw', { directory: '/r', writable: true }],
    ['/r:discard', { directory: '/r', writable: 'discard' }],
    ['/r\\:rw', { directory: '/r:rw' }],
    ['image.tar', { image: 'image.tar' }],
    ['image.tar:rw', { directory: 'image.tar', writable: true }],
  ])('reads --root %s', (text, value) => {
    expect(grammar.parseRoot(text, isImage)).toEqual({ value });
  });

  it.each(['sytem', 'hosts', 'host:rw', '/r:wr', '/r:'])('refuses --root %s', (text) => {
    expect(grammar.parseRoot(text, isImage)).toHaveProperty('problem');
  });

  it.each([
    ['5', 5],
    ['0.5', 0.5],
    ['-1', -1],
    ['5s', '5s'],
    ['', ''],
    ['0x10', '0x10'],
    [' 5', ' 5'],
  ])('takes %j for a number only where it is one', (text, value) => {
    expect(grammar.parseQuantity(text)).toBe(value);
  });

  it('reads ports, and none', () => {
    expect(grammar.parsePorts('80,443')).toEqual([80, 443]);
    expect(grammar.parsePorts('none')).toEqual([]);
    expect(grammar.parsePorts('')).toEqual(['']);
    expect(grammar.parsePorts('none,80')).toEqual(['none', 80]);
  });
});
