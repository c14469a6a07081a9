/** The examples run, and the demo notices when its cell is too wide. */

import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { deflateSync } from 'node:zlib';

import { describe, expect, it } from 'vitest';

import { CALLERS, Folder, ROOT } from './folder.js';

const EXAMPLES = path.join(ROOT, 'examples');
const HELLO =
  '#include <stdio.h>\nint main(int count, char **names) { printf("hello %s\\n", names[count - 1]); return 3; }\n';
const CURIOUS = '#include "/etc/shadow"\nint main() {}\n';

describe.each(CALLERS)('as %s', { timeout: 120_000 }, (caller) => {
  const run = async (command: string, files: Readonly<Record<string, string>> = {}) => {
    const folder = new Folder(caller);
    try {
      for (const [name, text] of Object.entries(files)) {
        folder.write(name, text);
      }
      return await folder.run(command);
    } finally {
      folder.remove();
    }
  };

  it.each(['python', 'node'])('the demo in %s contains every attempt, plain in a pipe', async (language) => {
    const { output, status } = await run(`CLOISTER_DEMO=${language} node ${EXAMPLES}/demo/demo.mjs`);
    expect(output).toContain('All 21 attempts were contained.');
    expect(output).toMatch(/read the SSH key of the user +got +\d+ bytes: not-a-key-/u);
    expect(output).toMatch(/read the SSH key of the user +refused/u);
    expect(output).toMatch(/processes alive at once +\d+ /u);
    expect(output).toMatch(/wallTime: 1s +wall-time/u);
    expect(output).toMatch(/rootFileSystem +"pivot_root"/u);
    expect(output).not.toContain('\u001b');
    expect(status).toBe(0);
  });

  it('the demo is coloured where colours are asked for', async () => {
    const { output, status } = await run(`FORCE_COLOR=1 node ${EXAMPLES}/demo/demo.mjs`);
    expect(output).toContain('\u001b[31m');
    expect(status).toBe(0);
  });

  it('run-python tells what the program wrote and how it ended', async () => {
    const python = (code: string) => run(`node ${EXAMPLES}/run-python.mjs '${code}'`);
    expect((await python('print(sum(range(10)))')).output).toMatch(/^45\n-- exited, exit code 0, /u);
    expect((await python('print(open("/etc/shadow").read())')).output).toContain('FileNotFoundError');
    expect((await python('while True: pass')).output).toMatch(/^-- wall-time, SIGKILL, /u);
  });

  it('serve-files serves its folder, and an exploit of it reads, connects and runs nothing', async () => {
    const ask = `const [url] = process.argv.slice(2);
for (const name of ['page', 'link', 'missing', '?connect=' + new URL(url).port, '?run=echo+ran']) {
  process.stdout.write(await (await fetch(url + name)).text());
}`;
    const serve = (option: string) =>
      run(
        `mkdir public; echo text > public/page; ln -s ../secret public/link
         node ${EXAMPLES}/serve-files.mjs public ${option} > url 2> /dev/null & server=$!
         until [ -s url ]; do sleep 0.05; done; node ask.mjs $(cat url); kill $server`,
        { secret: 'secret\n', 'ask.mjs': ask },
      );
    expect((await serve('--unrestricted')).output).toBe('text\nsecret\nENOENT\nconnected\nran\n\n');
    expect((await serve('')).output).toBe('text\nEACCES\nENOENT\nEPERM\nEPERM\n');
  });

  it('convert-image converts, and a decoder that was taken over dies of what it opens', async () => {
    const part = (type: string, data: Buffer): Buffer => {
      const size = Buffer.alloc(4);
      size.writeUInt32BE(data.length);
      return Buffer.concat([size, Buffer.from(type), data, Buffer.alloc(4)]);
    };
    // Two pixels by two, red green blue; the second line as a difference to the first (filter 2).
    const header = Buffer.from([0, 0, 0, 2, 0, 0, 0, 2, 8, 2, 0, 0, 0]);
    const lines = Buffer.from([0, 255, 255, 255, 0, 0, 0, 2, 1, 1, 1, 100, 100, 100]);
    const image = Buffer.concat([
      Buffer.from('\u0089PNG\r\n\u001a\n', 'latin1'),
      part('IHDR', header),
      part('IDAT', deflateSync(lines)),
    ]);
    const command = `base64 -d < encoded > a.png; node ${EXAMPLES}/convert-image.mjs a.png a.pgm`;
    const files = { encoded: image.toString('base64') };
    const converted = await run(`${command} && tail -c 4 a.pgm | od -An -tu1`, files);
    expect(converted).toEqual({ output: ' 255   0   0 100\n', status: 0 });
    const attacked = await run(
      `${command}; EXPLOIT=/etc/passwd node ${EXAMPLES}/convert-image.mjs a.png b.pgm; echo "status $?"`,
      files,
    );
    expect(attacked.output).toMatch(/cloister: system call openat\([^\n]*\n/u);
    expect(attacked.output).toContain('status 159');
    const broken = await run(`echo broken > a.png; node ${EXAMPLES}/convert-image.mjs a.png a.pgm`);
    expect(broken).toEqual({ output: 'a.png: no PNG image\n', status: 1 });
  });

  it('compile runs what was built, and gives the compiler nothing to find', async () => {
    const files = { 'hello.c': HELLO, 'curious.c': CURIOUS };
    const built = await run(`node ${EXAMPLES}/compile.mjs hello.c you`, files);
    expect(built.output).toBe('hello you\n-- exited, exit code 3\n');
    const curious = await run(`node ${EXAMPLES}/compile.mjs curious.c`, files);
    expect(curious.output).toContain('/etc/shadow: No such file or directory');
    expect(curious.status).toBe(1);
  });

  it('judge gives each kind of submission its verdict', async () => {
    const judge = (name: string, source: string) => run(`node ${EXAMPLES}/judge/judge.mjs ${name}`, { [name]: source });
    const python = async (source: string) => (await judge('answer.py', source)).output;
    const sum = 'input()\nprint(sum(map(int, input().split())))\n';
    const right = await judge('answer.py', sum);
    expect(right.output).toMatch(/^1 {2}accepted .*\n2 {2}accepted .*\n$/u);
    expect(right.status).toBe(0);
    expect(await python('print(6)')).toMatch(/^1 {2}accepted .*\n2 {2}wrong answer /u);
    expect(await python('while True: pass')).toContain('time limit exceeded');
    expect(await python('x = b"x" * (400 << 20)')).toContain('memory limit exceeded');
    expect(await python('while True: print("x" * 999)')).toContain('output limit exceeded');
    expect(await python('1 / 0')).toContain('runtime error (exit code 1)');
    const native = await judge(
      'answer.cpp',
      '#include <iostream>\nint main() { long n, x, s = 0; std::cin >> n; while (std::cin >> x) s += x; std::cout << s; }\n',
    );
    expect(native.output).toMatch(/^1 {2}accepted .*\n2 {2}accepted /u);
    expect((await judge('answer.cpp', 'int main() { return *(volatile int *)8; }\n')).output).toContain(
      'runtime error',
    );
    expect((await judge('answer.cpp', '#include "/etc/shadow"\n')).output).toContain('compilation error');
  });

  it('filter-stream passes standard input through a program', async () => {
    const sorted = await run(`printf 'b\\na\\nb\\n' | node ${EXAMPLES}/filter-stream.mjs sort -u 2>/dev/null`);
    expect(sorted).toEqual({ output: 'a\nb\n', status: 0 });
    const failing = await run(`node ${EXAMPLES}/filter-stream.mjs sh -c 'exit 7' < /dev/null`);
    expect(failing.status).toBe(7);
    const missing = await run(`node ${EXAMPLES}/filter-stream.mjs no-such-command < /dev/null`);
    expect(missing.output).toContain('ERR_CLOISTER_NOT_FOUND');
    expect(missing.status).toBe(1);
  });
});

describe('the demo', { timeout: 120_000 }, () => {
  it.each([
    ['network', 'limits: {', "net: 'host', limits: {", "'tcp': got"],
    ['files', 'mounts: [', "mounts: [{ type: 'bind', source: traps.home }, ", "'key': got"],
    ['environment', 'limits: {', "env: 'inherit', limits: {", "'environment': got"],
    ['processes', 'processes: PROCESSES,', 'processes: 100,', 'processes alive at once: 100'],
  ])('ends with 1 where its cell is too wide: %s', async (_, narrow, wide, complaint) => {
    const folder = new Folder('user');
    try {
      cpSync(EXAMPLES, path.join(folder.path, 'examples'), { recursive: true });
      symlinkSync(path.join(ROOT, 'node_modules/picocolors'), path.join(folder.path, 'node_modules/picocolors'));
      const demo = path.join(folder.path, 'examples/demo/demo.mjs');
      const text = readFileSync(demo, 'utf8');
      expect(text).toContain(narrow);
      writeFileSync(demo, text.replace(narrow, wide));
      const { output, status } = await folder.run(`DEPLOY_TOKEN=stolen node ${demo}`);
      expect(output).toContain('Not everything was contained:');
      expect(output).toContain(complaint);
      expect(status).toBe(1);
    } finally {
      folder.remove();
    }
  });
});
