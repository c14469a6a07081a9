/** The options of `cloister run`, in the order of its help. */

import { type Command, Option } from 'commander';

interface Entry {
  readonly flags: string;
  readonly text: string;
  /** May be given more than once. */
  readonly many?: true;
  readonly choices?: readonly string[];
  /** Another option, by its name in code, that says the opposite. */
  readonly against?: string;
}

const GROUPS: Readonly<Record<string, readonly Entry[]>> = {
  'Files:': [
    { flags: '--root <root>', text: 'what / is: system (default), host, empty, DIR[:rw|:discard], or an image' },
    { flags: '--reference <name>', text: 'which one of the images in it: a name, a tag, a digest or a platform' },
    {
      flags: '--unveil <path:letters>',
      text: 'show PATH with r, w, x, c (read, write, execute, create); no letters: hide it',
      many: true,
    },
    { flags: '--bind <source>', text: 'show SOURCE[:TARGET][:OPTIONS]; options rw, optional, noexec', many: true },
    {
      flags: '--tmpfs <target>',
      text: 'a private tmpfs at TARGET[:OPTIONS]; options size=BYTES, mode=MODE, exec',
      many: true,
    },
    {
      flags: '--overlay <spec>',
      text: 'LOWER[:LOWER...]:TARGET[:upper=DIR]; without upper what is written is discarded',
      many: true,
    },
    {
      flags: '--file <spec>',
      text: 'a file TARGET[:OPTIONS]=TEXT or TARGET[:OPTIONS]:@FILE; options rw, mode=MODE',
      many: true,
    },
    { flags: '--dir <target>', text: 'an empty directory at TARGET[:mode=MODE]', many: true },
    { flags: '--symlink <link=to>', text: 'a symbolic link LINK that points to TO', many: true },
    { flags: '--proc <target>', text: 'one more /proc of the cell, at TARGET', many: true },
    { flags: '--dev <target>', text: 'one more small /dev, at TARGET', many: true },
  ],
  'Network:': [
    { flags: '--net <net>', text: 'none (default): a private loopback; host: the network of the host' },
    {
      flags: '--tcp-connect <ports>',
      text: 'TCP ports that may be connected to, with commas between, or none',
      many: true,
    },
    { flags: '--tcp-bind <ports>', text: 'TCP ports that may be bound, with commas between, or none', many: true },
  ],
  'Restrictions:': [
    { flags: '--pledge <promises>', text: "promises of pledge(2), as one word: 'stdio rpath'" },
    { flags: '--seccomp <file>', text: 'a further system call filter: JSON, of cloister or in the OCI format' },
    { flags: '--cap <name>', text: 'a capability to keep', many: true },
    { flags: '--scope', text: 'cut off abstract Unix sockets and signals to outside (default)' },
    { flags: '--no-scope', text: 'do not' },
    { flags: '--on-violation <action>', text: 'at a call that the policy refuses: kill (default), error or log' },
    {
      flags: '--on-unsupported <action>',
      text: 'where this machine cannot enforce a part: error (default) or degrade',
    },
    { flags: '--degrade', text: 'the same as --on-unsupported degrade', against: 'onUnsupported' },
    { flags: '--apparmor-profile <name>', text: 'AppArmor profile of the command' },
    { flags: '--selinux-label <label>', text: 'SELinux label of the command' },
    { flags: '--backend <name>', text: 'auto (default), namespaces, landlock or chroot' },
  ],
  'Limits:': [
    { flags: '--limit <name=value>', text: 'such as wallTime=5s, processes=20, scratch=1GiB; see below', many: true },
  ],
  'Process:': [
    { flags: '--env <name[=value]>', text: "an environment variable; without a value: the caller's", many: true },
    { flags: '--inherit-env', text: 'all environment variables of the caller' },
    { flags: '--cwd <path>', text: 'working directory inside (default /)' },
    { flags: '--hostname <name>', text: 'host name inside (default cloister)' },
    { flags: '--uid <id>', text: "user id inside (default: the caller's)" },
    { flags: '--gid <id>', text: "group id inside (default: the caller's)" },
    { flags: '--host-root', text: 'let a cell of root run as root of the host' },
    { flags: '--argv0 <name>', text: 'what the command sees as its own name' },
    { flags: '-t, --pty', text: 'give the command a terminal of its own' },
  ],
  'Cloister:': [
    { flags: '--policy <file>', text: 'JSON file with a policy; options add to it and win over it' },
    { flags: '--dry-run', text: 'print the plan of the cell and start nothing' },
    {
      flags: '--json [fd]',
      text: 'write the outcome as a line of JSON to descriptor FD (default 2; with --dry-run 1)',
    },
    { flags: '--summary', text: 'say at the end why the cell ended and what it used, as time(1) does' },
    { flags: '-q, --quiet', text: 'only errors: no remarks on limits and missing parts' },
  ],
};

const EXPLANATION = `
Limits: wallTime, cpuTime (times: 250ms, 5s, 2m); memory, fileSize, output, scratch, core, stack, addressSpace
(bytes: 512k, 64MiB, 1.5GB); processes, openFiles, cpus (numbers).

Exit status: the command's own; 128+n when signal n ended it; 124 wall time used up; 137 memory, processor time or output used up; 125 cloister could not start it;
126 the command cannot be executed; 127 there is no such command; 159 it broke the policy.

Examples:
  cloister run ls -la /
  cloister run --unveil .:rwc --cwd "$PWD" --limit wallTime=10s -- make test
  cloister run --net host --env TOKEN -t -- bash`;

export function addRunOptions(command: Command): Command {
  for (const [heading, entries] of Object.entries(GROUPS)) {
    command.optionsGroup(heading);
    for (const entry of entries) {
      command.addOption(makeOption(entry));
    }
  }
  return command.addHelpText('after', EXPLANATION);
}

function makeOption({ flags, text, many, against }: Entry): Option {
  const option = new Option(flags, text);
  if (many === true) {
    option.argParser((value: string, earlier: string[] | undefined) => [...(earlier ?? []), value]);
  }
  if (against !== undefined) {
    option.conflicts(against);
  }
  return option;
}
