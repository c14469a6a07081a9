/** Another answer in a compiled program. */

const INSTRUCTION_SIZE = 8;
/** BPF_RET | BPF_K, linux/bpf_common.h; SECCOMP_RET_KILL_PROCESS, linux/seccomp.h. */
const RETURN = 0x06;
const KILL_PROCESS = 0x8000_0000;

/**
 * The program with another answer wherever it ends the process. When several policies are merged the strictest answer wins, and an error of one wins
 * against a listener's question of another: so a violation is compiled as the strictest answer there is, and given its own afterwards.
 */
export function relabel(program: Uint8Array, answer: number): Uint8Array {
  const bytes = Uint8Array.from(program);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += INSTRUCTION_SIZE) {
    // struct sock_filter: code, jt, jf, k. Both architectures that cells run on are little-endian.
    if (view.getUint16(at, true) === RETURN && view.getUint32(at + 4, true) === KILL_PROCESS) {
      view.setUint32(at + 4, answer, true);
    }
  }
  return bytes;
}
