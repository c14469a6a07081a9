/** Files that options of the command line name, and the policy file. */

import { readFileSync, statSync } from 'node:fs';

import { CloisterError, policyError } from '../errors.js';
import type { Parsed } from '../util/units.js';
import type { Surroundings } from './policy-draft.js';

export function callersSurroundings(): Surroundings {
  return { environment: process.env, readBytes, readJson, isImage };
}

/** What is not there is left to the policy to tell, as a directory that is not. */
function isImage(path: string): boolean {
  const what = statSync(path, { throwIfNoEntry: false });
  return what?.isDirectory() === true
    ? statSync(`${path}/oci-layout`, { throwIfNoEntry: false })?.isFile() === true
    : what !== undefined;
}

function readBytes(path: string): Parsed<Uint8Array> {
  try {
    return { value: new Uint8Array(readFileSync(path)) };
  } catch (error) {
    return { problem: `cannot read ${path}: ${reason(error)}` };
  }
}

function readJson(path: string): Parsed<unknown> {
  const bytes = readBytes(path);
  if ('problem' in bytes) {
    return bytes;
  }
  try {
    return { value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.value)) as unknown };
  } catch (error) {
    return { problem: `${path} is not JSON: ${reason(error)}` };
  }
}

/** Throws ERR_CLOISTER_POLICY with the mistakes in the file alone: what options add to it is validated later, with the whole. */
export async function readPolicyFile(path: string): Promise<Record<string, unknown>> {
  const { parsePolicyFile } = await import('../policy/parse.js');
  const option = `--policy ${path}`;
  const json = readJson(path);
  if ('problem' in json) {
    throw policyError([{ code: 'bad-option', path: option, message: json.problem }], 'options');
  }
  try {
    return { ...parsePolicyFile(json.value) };
  } catch (error) {
    if (error instanceof CloisterError && error.issues !== undefined) {
      throw policyError(error.issues, `policy in ${path}`);
    }
    throw error;
  }
}

/** `ENOENT` of a system error, else its message. The parser of JSON quotes what it could not read, line breaks included. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  return 'syscall' in error && 'code' in error ? String(error.code) : error.message.replace(/\s+/gu, ' ');
}
