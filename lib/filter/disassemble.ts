/** A program as text: one instruction a line, with what the numbers mean behind it. The form is stable. */

import type { SeccompArch } from '../policy/seccomp-types.js';
import { AUDIT_ARCH } from '../policy/syscalls/arch.js';
import { syscallName, X32_BIT } from '../policy/syscalls/lookup.js';
import { actionOf } from './answer.js';
import { argumentName, bitNames, valueName } from './constants.js';
import { afterNumberTest, ANY_NUMBER, type NumberRange, onlyNumber, unionOf } from './number-range.js';

/** Operation codes, linux/bpf_common.h. */
const LOAD = 0x20;
const AND = 0x54;
const JUMP = 0x05;
const RETURN = 0x06;
const CONDITIONAL: Readonly<Record<number, string>> = { 0x15: 'jeq', 0x25: 'jgt', 0x35: 'jge', 0x45: 'jset' };

const LARGEST_ERRNO = 4095;

interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** What is known where an instruction is reached. Undefined: not known, or different from way to way. */
interface Known {
  arch: SeccompArch | undefined;
  numbers: NumberRange;
  /** Offset of the word in the accumulator, and the bits that were kept of it. */
  loaded: number | undefined;
  mask: number;
}

const NOTHING: Known = { arch: undefined, numbers: ANY_NUMBER, loaded: undefined, mask: 0xffffffff };

/** @param bytes struct sock_filter[], host byte order; @param architectures those of the policy */
export function disassemble(bytes: Uint8Array, architectures: readonly SeccompArch[]): string {
  const program = decode(bytes);
  const known = new Map<number, Known>([[0, NOTHING]]);
  const width = String(program.length - 1).length;
  const lines = program.map((instruction, index) => {
    const here = known.get(index) ?? NOTHING;
    for (const [target, state] of successors(instruction, index, here, architectures)) {
      const before = known.get(target);
      known.set(target, before === undefined ? state : common(before, state));
    }
    const { text, comment } = describeInstruction(instruction, index, here, architectures);
    const line = `${String(index).padStart(width)}  ${text}`;
    return comment === '' ? line : `${line.padEnd(width + 40)}; ${comment}`;
  });
  return `${lines.join('\n')}\n`;
}

function decode(bytes: Uint8Array): Instruction[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 8 }, (_, index) => ({
    code: view.getUint16(index * 8, true),
    jt: view.getUint8(index * 8 + 2),
    jf: view.getUint8(index * 8 + 3),
    k: view.getUint32(index * 8 + 4, true),
  }));
}

function common(a: Known, b: Known): Known {
  return {
    arch: a.arch === b.arch ? a.arch : undefined,
    numbers: unionOf(a.numbers, b.numbers),
    loaded: a.loaded === b.loaded && a.mask === b.mask ? a.loaded : undefined,
    mask: a.mask === b.mask ? a.mask : 0xffffffff,
  };
}

/** Jumps lead forward only, so one pass in order has seen all ways to an instruction before it comes to it. */
function successors(
  instruction: Instruction,
  index: number,
  here: Known,
  architectures: readonly SeccompArch[],
): [number, Known][] {
  const { code, jt, jf, k } = instruction;
  switch (code) {
    case RETURN:
      return [];
    case JUMP:
      return [[index + 1 + k, here]];
    case LOAD:
      return [[index + 1, { ...here, loaded: k, mask: 0xffffffff }]];
    case AND:
      return [[index + 1, here.loaded === 0 ? { ...here, arch: 'x86_64', numbers: ANY_NUMBER } : { ...here, mask: k }]];
    default:
      return [
        [index + 1 + jt, afterTest(instruction, here, true, architectures)],
        [index + 1 + jf, afterTest(instruction, here, false, architectures)],
      ];
  }
}

function afterTest(
  { code, k }: Instruction,
  here: Known,
  passed: boolean,
  architectures: readonly SeccompArch[],
): Known {
  const name = CONDITIONAL[code];
  if (here.loaded === 4 && name === 'jeq' && passed) {
    const candidates = architectures.filter((arch) => AUDIT_ARCH[arch] === k);
    return { ...here, arch: candidates.includes('x86_64') ? 'x86_64' : candidates[0] };
  }
  if (here.loaded === 0 && name === 'jge' && k === X32_BIT && passed && architectures.includes('x32')) {
    return { ...here, arch: 'x32' };
  }
  return here.loaded === 0 && name !== undefined
    ? { ...here, numbers: afterNumberTest(here.numbers, name, k, passed) }
    : here;
}

function describeInstruction(
  { code, jt, jf, k }: Instruction,
  index: number,
  here: Known,
  architectures: readonly SeccompArch[],
): { text: string; comment: string } {
  switch (code) {
    case LOAD:
      return {
        text: `ld   ${fieldName(k)}`,
        comment: k >= 16 ? fieldComment(k, here) : '',
      };
    case AND:
      return { text: `and  ${hex(k)}`, comment: here.loaded === 0 ? 'number without the x32 bit' : '' };
    case JUMP:
      return { text: `ja   ${index + 1 + k}`, comment: '' };
    case RETURN:
      return { text: `ret  ${hex(k)}`, comment: actionText(k) };
    default: {
      const operation = CONDITIONAL[code];
      if (operation === undefined) {
        return { text: `.word ${hex(code)} ${jt} ${jf} ${hex(k)}`, comment: 'no instruction of ours' };
      }
      const operand = here.loaded === 0 && k < X32_BIT ? String(k) : hex(k);
      const text = `${operation.padEnd(4)} ${operand.padEnd(10)} ${index + 1 + jt} : ${index + 1 + jf}`;
      return { text, comment: testComment(operation, k, here, architectures) };
    }
  }
}

function fieldName(offset: number): string {
  if (offset === 0) {
    return 'nr';
  }
  if (offset === 4) {
    return 'arch';
  }
  const half = offset % 8 === 0 ? 'low' : 'high';
  return offset < 16 ? `ip.${half}` : `arg${Math.floor((offset - 16) / 8)}.${half}`;
}

function nameOfCall(here: Known): string | undefined {
  const number = onlyNumber(here.numbers);
  return here.arch === undefined || number === undefined ? undefined : syscallName(number, here.arch);
}

function fieldComment(offset: number, here: Known): string {
  const call = nameOfCall(here);
  return call === undefined ? '' : `${call}: ${argumentName(call, Math.floor((offset - 16) / 8))}`;
}

function testComment(operation: string, k: number, here: Known, architectures: readonly SeccompArch[]): string {
  if (here.loaded === 4) {
    return architectures.filter((arch) => AUDIT_ARCH[arch] === k).join(', ');
  }
  if (here.loaded === 0) {
    if (operation === 'jge' && k === X32_BIT) {
      return 'x32';
    }
    return here.arch === undefined ? '' : (syscallName(k, here.arch) ?? '');
  }
  const call = nameOfCall(here);
  if (call === undefined || here.loaded === undefined || here.loaded % 8 !== 0) {
    return '';
  }
  const argument = Math.floor((here.loaded - 16) / 8);
  const ignored = ~here.mask >>> 0;
  if (ignored !== 0 && operation !== 'jset' && bitNames(call, argument, ignored) === undefined) {
    // A part of the value: the name of a whole one would say more than is tested. Flags that are taken off a value leave it whole.
    return bitNames(call, argument, k) ?? '';
  }
  const name = operation === 'jset' ? bitNames(call, argument, k) : valueName(call, argument, k);
  return name ?? '';
}

function actionText(answer: number): string {
  const action = actionOf(answer);
  if (typeof action === 'string') {
    return action;
  }
  if ('trace' in action) {
    return `trace ${action.trace}`;
  }
  // MAX_ERRNO: the kernel makes this of larger ones.
  return Number(action.errno) > LARGEST_ERRNO
    ? `errno ${action.errno}, which the kernel cuts to ${LARGEST_ERRNO}`
    : `errno ${action.errno}`;
}

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}
