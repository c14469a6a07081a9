/** `cloister completion SHELL`: a script for the shell, made from the tree of commands itself, so that it knows every option. */

import { Argument, type Command, type Option } from 'commander';

import { STDOUT, write } from './output.js';

const SCRIPTS: Readonly<Record<string, (commands: readonly CommandWords[]) => string>> = { bash, zsh, fish };

interface CommandWords {
  readonly name: string;
  readonly description: string;
  readonly options: readonly Option[];
  /** The commands below it. */
  readonly below: readonly string[];
}

export function makeCompletionCommand(command: Command, program: Command): Command {
  const shells = Object.keys(SCRIPTS);
  return command
    .description('print a completion script for a shell')
    .addArgument(new Argument('<shell>', shells.join(', ')).choices(shells))
    .addHelpText('after', '\nExample: cloister completion bash > ~/.local/share/bash-completion/completions/cloister')
    .action((shell: string) => {
      const help = program.createHelp();
      const commands = program.commands.map((each) => ({
        name: each.name(),
        description: each.description(),
        options: help.visibleOptions(each),
        below: each.commands.map((inner) => inner.name()),
      }));
      write(STDOUT, SCRIPTS[shell]?.(commands) ?? '');
    });
}

function flagsOf({ short, long }: Option): string[] {
  return [short, long].filter((flag) => flag !== undefined);
}

/** Files after an option or a command: most of what cloister takes are paths. */
function bash(commands: readonly CommandWords[]): string {
  const cases = commands.map(({ name, options }) => `    ${name}) words='${options.flatMap(flagsOf).join(' ')}' ;;`);
  const nested = commands
    .filter(({ below }) => below.length > 0)
    .map(
      ({ name, below }) =>
        `    ${name}) mapfile -t COMPREPLY < <(compgen -W '${below.join(' ')}' -- "$current"); return ;;`,
    );
  const valued = commands.flatMap(({ options }) => options.filter(({ required }) => required).flatMap(flagsOf));
  return `# bash completion of cloister
_cloister() {
  local current=\${COMP_WORDS[COMP_CWORD]} words='' index
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W '${commands.map(({ name }) => name).join(' ')} --help --version' -- "$current")
    return
  fi
  if [ "\${COMP_WORDS[1]}" = completion ]; then
    mapfile -t COMPREPLY < <(compgen -W '${Object.keys(SCRIPTS).join(' ')}' -- "$current")
    return
  fi
  if [ "$COMP_CWORD" -eq 2 ] && [ "\${current:0:1}" != - ]; then case \${COMP_WORDS[1]} in
${nested.join('\n')}
  esac fi
  # Behind the command that is to run, its own completion knows more.
  for ((index = 2; index < COMP_CWORD; index++)); do
    case \${COMP_WORDS[index]} in
      ${[...new Set(valued)].join('|')}) ((index++)) ;;
      --) ((index++)); break ;;
      -*) ;;
      *) break ;;
    esac
  done
  if [ "\${COMP_WORDS[1]}" = run ] && [ "$index" -lt "$COMP_CWORD" ]; then
    if declare -F _command_offset > /dev/null; then
      _command_offset "$index"
    else
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
  esac
  if [ "\${current:0:1}" = - ]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  elif [ "$index" -eq "$COMP_CWORD" ] && [ "\${COMP_WORDS[1]}" = run ]; then
    mapfile -t COMPREPLY < <(compgen -c -- "$current")
  else
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -F _cloister cloister
`;
}

function zsh(commands: readonly CommandWords[]): string {
  const cases = commands.map(({ name, options, below }) => {
    const specs = options.map((option) => `      ${zshOption(option)} \\`);
    return `    ${name}) _arguments -S \\\n${specs.join('\n')}\n      ${zshOperands(name, below)} ;;`;
  });
  const names = commands.map(({ name, description }) => quote(`${name}:${description}`));
  return `#compdef cloister
_cloister() {
  local line state
  _arguments -C '1:command:->command' '*::arguments:->arguments'
  case $state in
    command) local -a names; names=(${names.join(' ')}); _describe command names ;;
    arguments) case $line[1] in
${cases.join('\n')}
    esac ;;
  esac
}
# Loaded by its name from a folder of $fpath, or sourced.
if [ "$funcstack[1]" = _cloister ]; then _cloister "$@"; else compdef _cloister cloister; fi
`;
}

function zshOperands(command: string, below: readonly string[]): string {
  if (below.length > 0) {
    return `'1:command:(${below.join(' ')})'`;
  }
  switch (command) {
    case 'run':
      return "'(-):command:_command_names -e' '*::arguments:_normal'";
    case 'completion':
      return `'1:shell:(${Object.keys(SCRIPTS).join(' ')})'`;
    default:
      return "'*:file:_files'";
  }
}

function zshOption(option: Option): string {
  const text = option.description.replace(/[[\]:]/gu, '\\$&');
  const value = option.required ? `:${option.name()}:_files` : '';
  return flagsOf(option)
    .map((flag) => quote(`*${flag}[${text}]${value}`))
    .join(' ');
}

function fish(commands: readonly CommandWords[]): string {
  const lines = ['# fish completion of cloister'];
  for (const { name, description, options, below } of commands) {
    lines.push(`complete -c cloister -n __fish_use_subcommand -f -a ${name} -d ${quote(description)}`);
    if (below.length > 0) {
      lines.push(`complete -c cloister -n '__fish_seen_subcommand_from ${name}' -f -a '${below.join(' ')}'`);
    }
    for (const { short, long, required, description: text } of options) {
      const flags = [
        short === undefined ? '' : `-s ${short.slice(1)}`,
        long === undefined ? '' : `-l ${long.slice(2)}`,
        required ? '-r' : '',
      ].filter((flag) => flag !== '');
      lines.push(`complete -c cloister -n '__fish_seen_subcommand_from ${name}' ${flags.join(' ')} -d ${quote(text)}`);
    }
  }
  lines.push(
    `complete -c cloister -n '__fish_seen_subcommand_from completion' -f -a '${Object.keys(SCRIPTS).join(' ')}'`,
    '',
  );
  return lines.join('\n');
}

/** For a POSIX shell; fish reads it the same way, but for the quote itself. */
function quote(text: string): string {
  return `'${text.replace(/'/gu, `'\\''`)}'`;
}
