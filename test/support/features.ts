/** Before each test of the integration and escape suites: skipped, with the reason, where the machine lacks what needs.ts says that it needs. */

import { beforeEach, inject } from 'vitest';

import { needsOf } from './needs.js';

interface Named {
  name: string;
  suite?: Named | undefined;
}

function fullTitle(task: Named): string {
  return task.suite === undefined || task.suite.name === '' ? task.name : `${fullTitle(task.suite)} > ${task.name}`;
}

beforeEach(({ task, skip }) => {
  const title = fullTitle(task);
  const needs = needsOf(task.file.name, title);
  if (needs.length === 0) {
    return;
  }
  const features = inject('features');
  const user = /\bas (root|nobody|caller)\b/.exec(title)?.[1];
  const present = user === undefined ? Object.values(features) : [features[user] ?? []];
  const missing = needs.filter((need) => !present.every((each) => each.includes(need)));
  skip(missing.length > 0, `this machine has no ${missing.join(', ')}`);
});
