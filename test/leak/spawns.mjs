// Starts a thousand cells (or as many as the argument says) and compares descriptors, threads, children and mounts before and after.
//   node test/leak/spawns.mjs [count]

import { readdirSync, readFileSync } from 'node:fs';
import { spawnIsolated } from 'cloister';

const count = Number(process.argv[2] ?? 1000);
const AT_ONCE = 16;

function state() {
  const parentOf = (pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    } catch {
      // It has ended meanwhile.
      return 0;
    }
  };
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    children: readdirSync('/proc').filter((name) => /^\d+$/.test(name) && parentOf(name) === process.pid).length,
    mounts: readFileSync('/proc/self/mounts', 'utf8').split('\n').length,
  };
}

async function one(index) {
  // One in ten is not there, one in ten has a terminal.
  const command = index % 10 === 3 ? 'missing-command' : 'true';
  const child = spawnIsolated(command, [], index % 10 === 7 ? { pty: { columns: 80, rows: 24 } } : {});
  const closed = new Promise((resolve) => child.once('close', resolve));
  await child.outcome.catch(() => undefined);
  await closed;
}

for (let index = 0; index < AT_ONCE; index += 1) {
  await one(index);
}
const before = state();
const memory = process.memoryUsage().rss;
for (let index = 0; index < count; index += AT_ONCE) {
  await Promise.all(Array.from({ length: AT_ONCE }, (_, offset) => one(index + offset)));
}
// Threads of terminals end a moment after their cells.
await new Promise((resolve) => setTimeout(resolve, 500));
const after = state();
const grownMiB = Math.round((process.memoryUsage().rss - memory) / 1048576);
console.log(JSON.stringify({ count, before, after, grownMiB }));
process.exitCode = Object.keys(before).every((key) => after[key] <= before[key]) ? 0 : 1;
