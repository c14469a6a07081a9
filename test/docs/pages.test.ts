/** What the documentation shows is what happens. */

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';

import ts from 'typescript';
import { describe, expect, it } from 'vitest';

import { matches } from '../cli/transcript.js';
import { type Caller, CALLERS, Folder, ROOT } from './folder.js';
import { type Block, readSections, readSteps, type Section } from './page.js';

const LANGUAGES = ['js', 'ts', 'json', 'console', 'c', 'python', 'sh', 'text'];

const PAGES = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...readdirSync(path.join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.startsWith('api/'))
    .map((name) => `docs/${name}`),
];

for (const page of PAGES) {
  const sections = readSections(path.join(ROOT, page)).filter(hasSomethingToRun);
  describe.each(sections.length > 0 ? CALLERS : [])(`${page} as %s`, (caller) => {
    for (const section of sections) {
      it(section.title, { timeout: 180_000 }, async () => {
        await play(section, caller);
      });
    }
  });
}

function hasSomethingToRun({ blocks }: Section): boolean {
  return blocks.some(({ language, file }) => language === 'console' || (isScript(language) && file === undefined));
}

function isScript(language: string): boolean {
  return language === 'js' || language === 'ts';
}

async function play({ blocks }: Section, caller: Caller): Promise<void> {
  const folder = new Folder(caller);
  try {
    for (const block of blocks.filter(({ file }) => file !== undefined)) {
      folder.write(block.file ?? '', block.language === 'ts' ? javaScriptOf(block.text) : block.text);
    }
    for (const block of blocks.filter(({ only }) => only === undefined || only === caller)) {
      if (block.language === 'console') {
        await playTranscript(block, folder);
      } else if (isScript(block.language) && block.file === undefined) {
        const name = `line-${block.line}.mjs`;
        folder.write(name, javaScriptOf(block.text));
        const { output, status } = await folder.run(`node ${name}`);
        expect(status, `line ${block.line}: ${output}`).toBe(0);
      }
    }
  } finally {
    folder.remove();
  }
}

async function playTranscript({ text }: Block, folder: Folder): Promise<void> {
  for (const step of readSteps(text)) {
    const { output, status } = await folder.run(step.command);
    const lines = output === '' ? [] : output.replace(/\n$/u, '').split('\n');
    const expected = [...step.output, `[exit ${step.status}]`];
    const actual = [...lines, `[exit ${status}]`];
    // The same text on both sides where it matches, so that a mismatch shows as one.
    expect(matches(expected, actual) ? expected : actual, step.command).toEqual(expected);
  }
}

function javaScriptOf(text: string): string {
  const { outputText } = ts.transpileModule(text, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true },
  });
  return outputText;
}

const everyBlock = PAGES.flatMap((page) =>
  readSections(path.join(ROOT, page)).flatMap((section) =>
    section.blocks.map((block) => ({ page, section, ...block })),
  ),
);
const at = ({ page, line }: { page: string; line: number }): string => `${page}:${line}`;

describe('every block', () => {
  it('says what it is', () => {
    const unknown = everyBlock.filter(({ language }) => !LANGUAGES.includes(language));
    const unnamed = everyBlock.filter(({ language, file }) => ['c', 'python'].includes(language) && file === undefined);
    expect([...unknown, ...unnamed].map(at)).toEqual([]);
  });

  it('that is named is used by a command of its section', () => {
    const idle = everyBlock.filter(({ file, section }) => {
      const uses = ({ language, text }: Block): boolean => language === 'console' && text.includes(file ?? '');
      return file !== undefined && !section.blocks.some(uses);
    });
    expect(idle.map(at)).toEqual([]);
  });

  it('of JSON parses', () => {
    for (const block of everyBlock.filter(({ language }) => language === 'json')) {
      expect(() => JSON.parse(block.text) as unknown, at(block)).not.toThrow();
    }
  });

  it('of commands names scripts and files of this checkout', () => {
    const { scripts } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    for (const block of everyBlock.filter(({ language }) => language === 'sh')) {
      for (const [, script = ''] of block.text.matchAll(/npm run ([\w:-]+)/gu)) {
        expect(scripts, at(block)).toHaveProperty([script]);
      }
      for (const [file] of block.text.matchAll(/(?<!\S)(tools|test|examples|bench|\.ci)\/[\w./-]+/gu)) {
        expect(existsSync(path.join(ROOT, file)), `${at(block)}: ${file}`).toBe(true);
      }
    }
  });

  it('of TypeScript passes the type check against the package', () => {
    const checked = everyBlock.filter(({ language }) => language === 'ts');
    expect(checked.length).toBeGreaterThan(0);
    expect(typeErrors(checked)).toEqual([]);
  }, 240_000);
});

function typeErrors(blocks: readonly (Block & { page: string })[]): string[] {
  mkdirSync(path.join(ROOT, '.cache'), { recursive: true });
  const folder = mkdtempSync(path.join(ROOT, '.cache/docs-'));
  try {
    mkdirSync(path.join(folder, 'node_modules'));
    symlinkSync(ROOT, path.join(folder, 'node_modules/cloister'));
    for (const block of blocks) {
      writeFileSync(path.join(folder, `${block.page.replaceAll('/', '_')}_${block.line}.mts`), block.text);
    }
    const compilerOptions = {
      ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noEmit: true },
      ...{ target: 'ES2022', lib: ['ES2022', 'ESNext.Disposable'], module: 'NodeNext', types: ['node'] },
      typeRoots: [path.join(ROOT, 'node_modules/@types')],
    };
    writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.mts'] }));
    const tsc = path.join(ROOT, 'node_modules/.bin/tsc');
    const { status, stdout } = spawnSync(tsc, ['--project', folder, '--pretty', 'false'], { encoding: 'utf8' });
    return status === 0 ? [] : stdout.trim().split('\n');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
