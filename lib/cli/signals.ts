/** Signals that arrive here are for the command: cells have sessions of their own, so a terminal or a shell reaches only this process. */

import type { IsolatedProcess } from '../policy/types.js';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGWINCH'] as const;

export interface TerminalHooks {
  /** Before this process stops, and after it goes on. */
  readonly beforeStop: () => void;
  readonly afterStop: () => void;
}

/**
 * Passes signals on until the process ends, this one's own end by them included: it waits for what the command makes of them. `terminal`: of a command that has
 * one of its own.
 */
export function forwardSignals(child: IsolatedProcess, terminal: TerminalHooks | null): void {
  // A terminal inside tells of its new size itself. The signal alone would come too early, and the command would ask for the old one.
  for (const signal of FORWARDED.filter((name) => terminal === null || name !== 'SIGWINCH')) {
    process.on(signal, () => {
      child.kill(signal);
    });
  }
  // SIGTSTP would have no effect inside: the kernel does not let it stop a process group whose session has no other one to wake it again (setpgid(2),
  // "orphaned"). Stopping the command and then this process is what Ctrl-Z is expected to do.
  process.on('SIGTSTP', () => {
    child.kill('SIGSTOP');
    terminal?.beforeStop();
    process.kill(process.pid, 'SIGSTOP');
  });
  process.on('SIGCONT', () => {
    terminal?.afterStop();
    child.kill('SIGCONT');
  });
}
