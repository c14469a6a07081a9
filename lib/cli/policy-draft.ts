/** From options of the command line, on top of a policy file, to the options of spawnIsolated. */

import type { PolicyIssue } from '../errors.js';
import { formatPath, type PathPart } from '../policy/path.js';
import type { Parsed } from '../util/units.js';
import * as grammar from './grammar.js';

/** What `run` was given, one member for each option that makes a policy; those that may be repeated are arrays. */
export interface PolicyOptions {
  readonly unveil?: string[];
  readonly root?: string;
  readonly reference?: string;
  readonly bind?: string[];
  readonly tmpfs?: string[];
  readonly overlay?: string[];
  readonly file?: string[];
  readonly dir?: string[];
  readonly symlink?: string[];
  readonly proc?: string[];
  readonly dev?: string[];
  readonly net?: string;
  readonly tcpConnect?: string[];
  readonly tcpBind?: string[];
  readonly scope?: boolean;
  readonly pledge?: string;
  readonly seccomp?: string;
  readonly cap?: string[];
  readonly onViolation?: string;
  readonly onUnsupported?: string;
  readonly degrade?: true;
  readonly limit?: string[];
  readonly env?: string[];
  readonly inheritEnv?: true;
  readonly cwd?: string;
  readonly hostname?: string;
  readonly uid?: string;
  readonly gid?: string;
  readonly hostRoot?: true;
  readonly apparmorProfile?: string;
  readonly selinuxLabel?: string;
  readonly backend?: string;
  readonly argv0?: string;
}

/** What the draft takes from outside the command line. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly readBytes: (path: string) => Parsed<Uint8Array>;
  readonly readJson: (path: string) => Parsed<unknown>;
  /** A file, or a directory that is an OCI image layout. */
  readonly isImage: (path: string) => boolean;
}

type MountOption = 'bind' | 'tmpfs' | 'overlay' | 'file' | 'dir' | 'symlink' | 'proc' | 'dev';

type Members = Record<string, unknown>;

/** Variables that a cell has by default, here to be taken away: with --inherit-env exactly the caller's are wanted. */
const NO_DEFAULTS = { PATH: undefined, HOME: undefined, LANG: undefined, TERM: undefined };

export class PolicyDraft {
  /** Not validated: that is for spawnIsolated, which sees the whole. */
  readonly members: Members;
  /** Mistakes in the way an option is written, which leave nothing to validate. */
  readonly issues: PolicyIssue[] = [];
  /** Which option a place in the policy comes from. */
  readonly #origins: { readonly path: string; readonly option: string }[] = [];
  readonly #outside: Surroundings;

  constructor(file: Members, options: PolicyOptions, outside: Surroundings) {
    this.members = { ...file };
    this.#outside = outside;
    this.#addWords(options);
    this.#addPaths(options);
    this.#addMounts(options);
    this.#addRestrictions(options);
    this.#addLimits(options.limit ?? []);
    this.#addUser(options);
    this.#addEnvironment(options.env ?? [], options.inheritEnv ?? false);
  }

  /** The option that an issue is about, as it was written; undefined when it is not from the command line. */
  originOf(path: string): string | undefined {
    const covers = this.#origins.filter(
      (origin) =>
        path === origin.path || (path.startsWith(origin.path) && '.['.includes(path.charAt(origin.path.length))),
    );
    return covers.sort((a, b) => b.path.length - a.path.length)[0]?.option;
  }

  #set(key: string, value: unknown, option: string): void {
    this.members[key] = value;
    this.#remember([key], option);
  }

  #remember(path: readonly PathPart[], option: string): void {
    this.#origins.push({ path: formatPath(path), option });
  }

  /** The value, or nothing and an issue. */
  #take<T>(parsed: Parsed<T>, option: string): T | undefined {
    if ('value' in parsed) {
      return parsed.value;
    }
    this.issues.push({ code: 'bad-option', path: option, message: parsed.problem });
    return undefined;
  }

  #addWords(options: PolicyOptions): void {
    const words = [
      'net',
      'pledge',
      'onViolation',
      'onUnsupported',
      'cwd',
      'hostname',
      'selinuxLabel',
      'backend',
      'argv0',
    ] as const;
    for (const key of words) {
      const value = options[key];
      if (value !== undefined) {
        this.#set(key, value, `--${dashed(key)} ${value}`);
      }
    }
    if (options.apparmorProfile !== undefined) {
      this.#set('appArmorProfile', options.apparmorProfile, `--apparmor-profile ${options.apparmorProfile}`);
    }
    if (options.degrade === true) {
      this.#set('onUnsupported', 'degrade', '--degrade');
    }
    if (options.scope !== undefined) {
      this.#set('scope', options.scope, options.scope ? '--scope' : '--no-scope');
    }
  }

  #addPaths(options: PolicyOptions): void {
    if (options.root !== undefined) {
      const option = `--root ${options.root}`;
      this.#set('root', this.#take(grammar.parseRoot(options.root, this.#outside.isImage), option), option);
    }
    if (options.reference !== undefined) {
      this.#addReference(options.reference);
    }
    for (const text of options.unveil ?? []) {
      const option = `--unveil ${text}`;
      const entry = this.#take(grammar.parseUnveil(text), option);
      if (entry !== undefined) {
        this.#extend('unveil', entry.path, entry.letters, option);
      }
    }
  }

  #addReference(reference: string): void {
    const { root } = this.members;
    const option = `--reference ${reference}`;
    if (typeof root === 'object' && root !== null && 'image' in root) {
      this.#extend('root', 'reference', reference, option);
    } else {
      this.issues.push({ code: 'bad-option', path: option, message: 'is for a root that is an image' });
    }
  }

  #addMounts(options: PolicyOptions): void {
    const parsers: readonly [MountOption, (text: string) => Parsed<grammar.Draft>][] = [
      ['bind', grammar.parseBind],
      ['tmpfs', grammar.parseTmpfs],
      ['overlay', grammar.parseOverlay],
      ['file', (text) => grammar.parseFile(text, this.#outside.readBytes)],
      ['dir', grammar.parseDirectory],
      ['symlink', grammar.parseSymlink],
      ['proc', (target) => ({ value: { type: 'proc', target } })],
      ['dev', (target) => ({ value: { type: 'dev', target } })],
    ];
    const mounts: unknown[] = Array.isArray(this.members['mounts']) ? [...(this.members['mounts'] as unknown[])] : [];
    for (const [key, parse] of parsers) {
      for (const text of options[key] ?? []) {
        const option = `--${key} ${text}`;
        this.#remember(['mounts', mounts.length], option);
        mounts.push(this.#take(parse(text), option));
      }
    }
    if (mounts.length > 0) {
      this.members['mounts'] = mounts;
    }
  }

  #addRestrictions({ tcpConnect, tcpBind, cap, seccomp }: PolicyOptions): void {
    for (const [key, texts] of Object.entries({ connect: tcpConnect, bind: tcpBind })) {
      if (texts !== undefined) {
        this.#extend('tcp', key, texts.flatMap(grammar.parsePorts), `--tcp-${key} ${texts.join(',')}`);
      }
    }
    if (cap !== undefined) {
      this.members['capabilities'] = cap;
      for (const [index, name] of cap.entries()) {
        this.#remember(['capabilities', index], `--cap ${name}`);
      }
    }
    if (seccomp !== undefined) {
      const option = `--seccomp ${seccomp}`;
      this.#set('seccomp', this.#take(this.#outside.readJson(seccomp), option), option);
    }
  }

  #addLimits(texts: readonly string[]): void {
    for (const text of texts) {
      const option = `--limit ${text}`;
      const limit = this.#take(grammar.parseAssignment(text, 'wallTime=5s'), option);
      if (limit !== undefined) {
        this.#extend('limits', limit.name, grammar.parseQuantity(limit.value), option);
      }
    }
  }

  #addUser({ uid, gid, hostRoot }: PolicyOptions): void {
    for (const [key, text] of Object.entries({ uid, gid })) {
      if (text !== undefined) {
        this.#extend('user', key, grammar.parseQuantity(text), `--${key} ${text}`);
      }
    }
    if (hostRoot === true) {
      this.#extend('user', 'hostRoot', true, '--host-root');
    }
  }

  /** All of the caller's where asked for, then the file's, then --env. */
  #addEnvironment(texts: readonly string[], inherit: boolean): void {
    const { environment } = this.#outside;
    if (texts.length === 0 && !inherit) {
      return;
    }
    const ofFile = this.members['env'] as Members | 'inherit' | undefined;
    const inherited = inherit || ofFile === 'inherit' ? { ...NO_DEFAULTS, ...environment } : {};
    this.members['env'] = { ...inherited, ...(ofFile === 'inherit' ? {} : ofFile) };
    for (const text of texts) {
      // Without a value: the caller's. Where he has none, there is none inside.
      const { name, value } = text.includes('=') ? assignment(text) : { name: text, value: environment[text] };
      this.#extend('env', name, value, `--env ${text}`);
    }
  }

  /** Sets one member of an object, which the file may have begun. */
  #extend(key: string, name: string, value: unknown, option: string): void {
    // Own members only: a name like '__proto__' is to reach the schema, and be refused there.
    const members = new Map(Object.entries((this.members[key] as Members | undefined) ?? {}));
    members.set(name, value);
    this.members[key] = Object.fromEntries(members);
    this.#remember([key, name], option);
  }
}

function assignment(text: string): { name: string; value: string } {
  const equals = text.indexOf('=');
  return { name: text.slice(0, equals), value: text.slice(equals + 1) };
}

function dashed(name: string): string {
  return name.replace(/[A-Z]/gu, (letter) => `-${letter.toLowerCase()}`);
}
