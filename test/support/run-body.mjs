// Runs the text of a function in this process and writes what it returns, as JSON, to descriptor 3. See in-subprocess.ts.

import { closeSync, writeSync } from 'node:fs';
import { makeContext } from './subprocess-context.mjs';

const REPORT = 3;
const [, , body, data, folder] = process.argv;

const context = await makeContext(JSON.parse(data), folder);
const value = await (0, eval)(`(${body})`)(context);
const text = Buffer.from(JSON.stringify({ value: value ?? null }));
for (let offset = 0; offset < text.length; ) {
  offset += writeSync(REPORT, text, offset);
}
closeSync(REPORT);
