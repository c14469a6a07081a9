/**
 * Programs of the distribution: what their libraries and runtimes probe is refused or missing, and they go on. Under no policy of calls, and under
 * promises that fit what they do, that must not count as a violation.
 */

import { existsSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { inCells } from '../support/cells.js';
import { USERS } from '../support/in-subprocess.js';

const WORK = 'stdio rpath wpath cpath proc exec tty getpw fattr flock';
const bash = (script: string) => ({ command: 'bash', args: ['-ec', script] });

const PYTHON = [
  'import asyncio, hashlib, json, multiprocessing, os, re, subprocess, tempfile, threading, zlib',
  'thread = threading.Thread(target=print, args=("thread",)); thread.start(); thread.join()',
  'print(subprocess.run(["echo", "child"], capture_output=True).stdout)',
  'with tempfile.NamedTemporaryFile() as file: file.write(b"x")',
  'async def sleep(): await asyncio.sleep(0.01)',
  'asyncio.run(sleep())',
  'print(os.cpu_count(), hashlib.sha256(b"").hexdigest())',
].join('\n');

const NODE = [
  'const fs = require("fs"), { execSync } = require("child_process"), { Worker } = require("worker_threads")',
  'fs.writeFileSync("/tmp/x", "y"); fs.promises.readFile("/tmp/x")',
  'execSync("echo child"); new Worker("1", { eval: true }); new WebAssembly.Memory({ initial: 1 })',
  'require("zlib").gzipSync("x"); require("crypto").randomBytes(8); process.memoryUsage(); require("os").cpus()',
  'new Date().toLocaleString(); setTimeout(() => console.log("done"), 20)',
].join('\n');

const PROGRAMS: readonly { name: string; needs: string; pledge: string; command: string; args: readonly string[] }[] = [
  { name: 'true, with nothing promised', needs: '/usr/bin/true', pledge: '', command: 'true', args: [] },
  { name: 'date', needs: '/usr/bin/date', pledge: 'stdio', command: 'date', args: [] },
  { name: 'awk', needs: '/usr/bin/awk', pledge: 'stdio', command: 'awk', args: ['BEGIN { print 1 + 1 }'] },
  { name: 'ls -l', needs: '/usr/bin/ls', pledge: 'stdio rpath', command: 'ls', args: ['-l', '/etc'] },
  { name: 'find', needs: '/usr/bin/find', pledge: 'stdio rpath', command: 'find', args: ['/usr/share/doc/bash'] },
  {
    name: 'bash, for itself',
    needs: '/usr/bin/bash',
    pledge: 'stdio rpath proc',
    ...bash('x=$((1 + 2)); [[ $x = 3 ]]'),
  },
  {
    name: 'bash, with jobs, files and pipes',
    needs: '/usr/bin/bash',
    pledge: WORK,
    ...bash(
      'cd /tmp; for i in 1 2; do echo $i > f$i; done; cat f* | sort | wc -l; (sleep 0.01) & wait; kill -0 $$; rm f*',
    ),
  },
  {
    name: 'python',
    needs: '/usr/bin/python3',
    pledge: `${WORK} prot_exec`,
    command: '/usr/bin/python3',
    args: ['-c', PYTHON],
  },
  {
    name: 'perl',
    needs: '/usr/bin/perl',
    pledge: WORK,
    command: 'perl',
    args: ['-e', 'print `echo a`; print scalar localtime; open(F, ">/tmp/x"); print F 1'],
  },
  {
    name: 'git',
    needs: '/usr/bin/git',
    pledge: WORK,
    ...bash(
      'cd /tmp; git init -q r; cd r; git config user.email a@b; git config user.name n; echo a > a; git add a; git commit -qm m; git gc -q; git status',
    ),
  },
  {
    name: 'gcc and what it makes',
    needs: '/usr/bin/gcc',
    pledge: WORK,
    ...bash('cd /tmp; echo "int puts(const char*); int main(void) { puts(__FILE__); }" > a.c; gcc -O1 a.c -o a; ./a'),
  },
  {
    name: 'node',
    needs: '/usr/bin/node',
    pledge: `${WORK} prot_exec`,
    command: '/usr/bin/node',
    args: ['-e', NODE],
  },
  {
    name: 'java',
    needs: '/usr/bin/java',
    pledge: `${WORK} prot_exec`,
    command: 'java',
    args: ['-XX:+UseSerialGC', '-version'],
  },
  {
    name: 'java, compiling and running',
    needs: '/usr/bin/javac',
    // It looks whether there is IPv6.
    pledge: `${WORK} prot_exec inet`,
    ...bash(
      'cd /tmp; echo "class A { public static void main(String[] a) { new Thread().start(); } }" > A.java; java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 A.java',
    ),
  },
  {
    name: 'ruby',
    needs: '/usr/bin/ruby',
    pledge: `${WORK} prot_exec`,
    command: 'ruby',
    args: [
      '-rtempfile',
      '-rjson',
      '-e',
      'Thread.new { puts `echo child` }.join; Tempfile.create { |f| f << JSON.dump([1]) }',
    ],
  },
  {
    name: 'make and g++',
    needs: '/usr/bin/g++',
    // make sets its effective user id to what it is.
    pledge: `${WORK} id`,
    ...bash(
      'cd /tmp; echo "int main() { return 0; }" > a.cc; printf "all:\\n\\tg++ -pipe -o a a.cc\\n\\t./a\\n" > Makefile; make -s',
    ),
  },
  {
    name: 'tar, gzip and install',
    needs: '/usr/bin/gzip',
    // Both tar and cp keep owners.
    pledge: `${WORK} chown`,
    ...bash(
      'cd /tmp; echo a > a; tar czf a.tgz a; mkdir b; tar xzf a.tgz -C b; install -m 644 b/a c; cp -a b d; sha256sum -- */a',
    ),
  },
  { name: 'go', needs: '/usr/bin/go', pledge: WORK, command: 'go', args: ['version'] },
];

describe.each(USERS)('programs of the distribution, as %s', (user) => {
  describe.each(PROGRAMS)('$name', ({ needs, pledge, command, args }) => {
    it.skipIf(!existsSync(needs))('runs without a violation', async () => {
      const results = await inCells(user, [
        { command, args },
        { command, args, options: { pledge } },
      ]);
      for (const { reason, exitCode, violations, stderr } of results) {
        expect({ reason, exitCode, violations, stderr: exitCode === 0 ? '' : stderr }).toEqual({
          reason: 'exited',
          exitCode: 0,
          violations: [],
          stderr: '',
        });
      }
    });
  });
});
