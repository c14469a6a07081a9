/** What holds the documentation together. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { STAGE_NAMES } from '../../lib/native/stages.js';
import { ROOT } from './folder.js';
import { readSections } from './page.js';

const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');
const docs = readdirSync(path.join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md') && !name.startsWith('api/'))
  .map((name) => `docs/${name}`);
const pages = [...readdirSync(ROOT).filter((name) => name.endsWith('.md')), ...docs];

/** As a forge makes it of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-');
}

function anchors(text: string): Set<string> {
  const prose = text.replaceAll(/^```[^]*?^```/gmu, '');
  return new Set([...prose.matchAll(/^#+ (.*)$/gmu)].map(([, heading = '']) => anchorOf(heading)));
}

describe('links', () => {
  it.each(pages)('of %s lead to files and headings that exist', (page) => {
    const prose = read(page).replaceAll(/^```[^]*?^```/gmu, '');
    for (const [, target = ''] of prose.matchAll(/\]\(([^)\s]+)\)/gu)) {
      if (/^https?:/u.test(target)) {
        continue;
      }
      const [file = '', anchor] = target.split('#');
      const linked = file === '' ? page : path.join(path.dirname(page), file);
      expect(existsSync(path.join(ROOT, linked)), target).toBe(true);
      if (anchor !== undefined) {
        expect([...anchors(read(linked))], target).toContain(anchor);
      }
    }
  });

  it.each(docs)('at the end of %s lead on', (page) => {
    const last = read(page).trimEnd().split('\n').at(-1) ?? '';
    expect(last).toMatch(/(Previous|Next): \[/u);
  });
});

describe('README.md', () => {
  it('has at most 180 lines', () => {
    expect(read('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(180);
  });

  it('has two commands to set up and no others', () => {
    const commands = readSections(path.join(ROOT, 'README.md'))
      .flatMap(({ blocks }) => blocks)
      .filter(({ language }) => language === 'sh')
      .flatMap(({ text }) => text.trim().split('\n'));
    expect(commands).toEqual(['npm ci && npm run demo', 'npm ci && npm test']);
  });
});

describe('ARCHITECTURE.md', () => {
  it('names every stage, in order', () => {
    const positions = STAGE_NAMES.map((name) => read('ARCHITECTURE.md').indexOf(`| \`${name}\` |`));
    expect(positions).not.toContain(-1);
    expect([...positions].sort((a, b) => a - b)).toEqual(positions);
  });

  it('gives a reason for every runtime dependency', () => {
    const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
    for (const name of Object.keys(dependencies)) {
      expect(read('ARCHITECTURE.md')).toContain(`| \`${name}\` |`);
    }
  });
});
