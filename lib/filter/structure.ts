/** What the kernel asks of a filter before it takes it, for programs that somebody else made. */

const INSTRUCTION_SIZE = 8;
/** BPF_MAXINSNS. */
const MOST_INSTRUCTIONS = 4096;
/** sizeof(struct seccomp_data). */
const DATA_SIZE = 64;

/** Operation codes, linux/bpf_common.h. */
const LOAD = 0x20;
const AND = 0x54;
const JUMP = 0x05;
const RETURN = 0x06;
const CONDITIONAL: readonly number[] = [0x15, 0x25, 0x35, 0x45];

/** Undefined: nothing. The native counterpart is CheckStructure in native/seccomp/evaluate.cc, which also looks at answers. */
export function programProblem(bytes: Uint8Array): string | undefined {
  const count = bytes.length / INSTRUCTION_SIZE;
  if (!Number.isInteger(count) || count < 1 || count > MOST_INSTRUCTIONS) {
    return `must be 1 to ${MOST_INSTRUCTIONS} instructions of ${INSTRUCTION_SIZE} bytes, not ${bytes.length} bytes`;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let index = 0; index < count; index++) {
    const problem = instructionProblem(view, index, count);
    if (problem !== undefined) {
      return `instruction ${index} ${problem}`;
    }
  }
  return undefined;
}

function instructionProblem(view: DataView, index: number, count: number): string | undefined {
  const at = index * INSTRUCTION_SIZE;
  const code = view.getUint16(at, true);
  const k = view.getUint32(at + 4, true);
  const left = count - index - 1;
  if (CONDITIONAL.includes(code)) {
    const farthest = Math.max(view.getUint8(at + 2), view.getUint8(at + 3));
    return farthest < left ? undefined : 'jumps out of the program';
  }
  switch (code) {
    case LOAD:
      return k < DATA_SIZE && k % 4 === 0
        ? endProblem(left)
        : 'loads something else than a word of struct seccomp_data';
    case AND:
      return endProblem(left);
    case JUMP:
      return k < left ? undefined : 'jumps out of the program';
    case RETURN:
      return undefined;
    default:
      return `has an operation, 0x${code.toString(16)}, that filters of ours are not made of`;
  }
}

function endProblem(left: number): string | undefined {
  return left > 0 ? undefined : 'is the last one and does not return';
}
