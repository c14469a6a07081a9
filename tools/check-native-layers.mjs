// The layering of native/: an #include points downwards, napi.h stays in the binding, and the code of the child sees
// nothing but child-safe headers and the system headers that native/child/.clang-tidy lists.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { includesOf, nativeFiles, root } from './native-includes.mjs';

/** From the bottom up. Folders of one layer that are joined may see each other, as long as that makes no circle. */
const layers = [
  { folders: ['base', 'linux'], joined: true },
  { folders: ['plan', 'wire'], joined: true },
  { folders: ['seccomp', 'landlock', 'mounts', 'namespaces', 'caps', 'limits', 'probe', 'violations'], joined: true },
  { folders: ['threads', 'launcher'], joined: false },
  { folders: ['binding'], joined: false },
];
const aboveChild = ['threads', 'launcher'];

const problems = [];

const folderOf = (file) => file.split('/')[1];
const layerOf = (folder) => layers.findIndex((layer) => layer.folders.includes(folder));

/** A header declares itself fit for the child in the comment at its top. */
function isChildSafe(header) {
  const text = readFileSync(path.join(root, header), 'utf8');
  return /\bChild-safe\b/.test(text.slice(0, Math.max(text.indexOf('#'), 0)));
}

/** The one list of system headers for the child; clang-tidy reads it too. */
function childSystemHeaders() {
  const text = readFileSync(path.join(root, 'native/child/.clang-tidy'), 'utf8');
  const match = /restrict-system-includes\.Includes:\s*(['"])(.*?)\1/s.exec(text);
  if (match === null) {
    throw new Error('native/child/.clang-tidy does not list the system headers of the child');
  }
  return new Set(match[2].split(',').filter((name) => name !== '' && !name.startsWith('-')));
}

function mayInclude(from, to) {
  if (from === to) {
    return true;
  }
  if (to === 'child') {
    return aboveChild.includes(from);
  }
  if (from === 'child') {
    return true; // checkChild judges by header, not by folder.
  }
  const [source, target] = [layerOf(from), layerOf(to)];
  return target < source || (target === source && layers[source].joined);
}

function checkFile(file) {
  const folder = folderOf(file);
  if (folder !== 'child' && layerOf(folder) < 0) {
    problems.push(`${file}: the folder ${folder} has no place in the layering`);
    return;
  }
  for (const { line, name, system } of includesOf(file)) {
    const where = `${file}:${line}`;
    if (system) {
      const isNodeHeader = name === 'napi.h' || name === 'uv.h' || name.startsWith('node_api') || name.startsWith('v8');
      if (isNodeHeader && file !== 'native/binding/napi.h') {
        problems.push(`${where}: <${name}> comes in through native/binding/napi.h only`);
      }
    } else if (!name.startsWith('native/')) {
      problems.push(`${where}: "${name}" must be written from the project's root, as "native/..."`);
    } else if (!existsSync(path.join(root, name))) {
      problems.push(`${where}: "${name}" does not exist`);
    } else if (!mayInclude(folder, folderOf(name))) {
      problems.push(`${where}: ${folder} may not see ${folderOf(name)} ("${name}")`);
    }
  }
}

/** What the child includes, directly or not. */
function checkChild(childFiles) {
  const allowed = childSystemHeaders();
  const seen = new Set(childFiles);
  for (const file of seen) {
    for (const { line, name, system } of includesOf(file)) {
      const where = `${file}:${line}`;
      if (system) {
        if (!allowed.has(name)) {
          problems.push(`${where}: <${name}> is not among the system headers of the child (native/child/.clang-tidy)`);
        }
      } else if (existsSync(path.join(root, name)) && name.endsWith('.h')) {
        if (!isChildSafe(name)) {
          problems.push(`${where}: "${name}" is not marked child-safe`);
        }
        seen.add(name);
      }
    }
  }
}

/** A circle of files, or of folders, has no bottom to start reading from. */
function checkCircles(files) {
  const fileEdges = new Map(files.map((file) => [file, includesOf(file).map(({ name }) => name)]));
  const folderEdges = new Map();
  for (const [file, names] of fileEdges) {
    const below = names.filter((name) => fileEdges.has(name)).map(folderOf);
    folderEdges.set(folderOf(file), [...(folderEdges.get(folderOf(file)) ?? []), ...below]);
  }
  for (const edges of [fileEdges, folderEdges]) {
    const finished = new Set();
    const visit = (node, trail) => {
      if (trail.includes(node)) {
        problems.push(`circle: ${[...trail.slice(trail.indexOf(node)), node].join(' -> ')}`);
      } else if (!finished.has(node)) {
        const next = (edges.get(node) ?? []).filter((other) => edges.has(other) && other !== node);
        next.forEach((other) => visit(other, [...trail, node]));
        finished.add(node);
      }
    };
    [...edges.keys()].forEach((node) => visit(node, []));
  }
}

const files = nativeFiles();
files.forEach(checkFile);
checkChild(files.filter((file) => folderOf(file) === 'child'));
checkCircles(files);

for (const problem of problems) {
  console.error(problem);
}
console.log(`${files.length} files, ${problems.length} problems`);
process.exit(problems.length > 0 ? 1 : 0);
