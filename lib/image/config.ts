/** What an image says about the program that it is for. */

import type { Fields } from './values.js';
import { fields, member, text, texts } from './values.js';

/** Untrusted values of the right types: what they may be is for the policy's own schema to say. */
export interface ImageConfig {
  /** What the command line begins with whatever the arguments are, and the arguments that stand in for none. */
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Absolute, or empty. */
  readonly workingDirectory: string;
  /** `user`, `user:group`, by name or number; or empty. */
  readonly user: string;
}

/** Or what is wrong with it. */
export type Read<Value> = { readonly value: Value } | { readonly problem: string };

/** The member `config` of an OCI or Docker configuration. */
export function readOciConfig(configuration: unknown): Read<ImageConfig> {
  const config: Fields = fields(member(configuration, 'config'));
  const entrypoint = texts(config['Entrypoint']);
  const command = texts(config['Cmd']);
  const lines = texts(config['Env']);
  if (entrypoint === null || command === null || lines === null) {
    return { problem: 'its configuration has an Entrypoint, Cmd or Env that is no array of strings' };
  }
  return finish(entrypoint, command, environment(lines), config['WorkingDir'], config['User']);
}

/** The member `app` of an App Container image manifest. */
export function readAciConfig(manifest: unknown): Read<ImageConfig> {
  const app = fields(member(manifest, 'app'));
  const command = texts(app['exec']);
  const { environment: variables, workingDirectory, user, group } = app;
  const pairs = Array.isArray(variables) ? variables.map((each) => [member(each, 'name'), member(each, 'value')]) : [];
  if (command === null || pairs.some(([name, value]) => typeof name !== 'string' || typeof value !== 'string')) {
    return { problem: 'its manifest has an app whose exec or environment is not made of strings' };
  }
  const both = [user, group].every((id) => typeof id === 'string' && id !== '');
  return finish(
    [],
    command,
    Object.fromEntries(pairs) as Record<string, string>,
    workingDirectory,
    both ? `${String(user)}:${String(group)}` : user,
  );
}

function finish(
  entrypoint: readonly string[],
  command: readonly string[],
  variables: Readonly<Record<string, string>>,
  directory: unknown,
  user: unknown,
): Read<ImageConfig> {
  const workingDirectory = text(directory) ?? '';
  if (workingDirectory !== '' && !workingDirectory.startsWith('/')) {
    return { problem: `its working directory ${workingDirectory} is not absolute` };
  }
  return { value: { entrypoint, command, environment: variables, workingDirectory, user: text(user) ?? '' } };
}

/** Lines without '=' say nothing. */
function environment(lines: readonly string[]): Record<string, string> {
  const pairs = lines.map((line) => [line.slice(0, Math.max(0, line.indexOf('='))), line.slice(line.indexOf('=') + 1)]);
  return Object.fromEntries(pairs.filter(([name]) => name !== '')) as Record<string, string>;
}
