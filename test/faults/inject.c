/* inject AT CALL ACTION PID...: follows the processes and all that they start, up to an execve(2),
 * and lets their system call number AT, counted over all of them, fail with the error number
 * ACTION; 'kill' kills its process instead. CALL is the number of the only system call that counts,
 * or -1. Calls that never fail do not count, nor do those that are made before it follows all of
 * them. Says "ready" then, and what it has hit. Its own end lets go of all of them. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

enum { MOST_PROCESSES = 65536 };

static long count;
static long at;
static long only;
static int waiting; /* for the first stop of so many of those that are followed */
static int error;   /* 0: kill */
static char failing[MOST_PROCESSES * 64];

static void fail_call(pid_t pid) {
  struct user_regs_struct registers;
  ptrace(PTRACE_GETREGS, pid, NULL, &registers);
  printf("hit %ld %d\n", (long)registers.orig_rax, pid);
  fflush(stdout);
  if (error == 0) {
    kill(pid, SIGKILL);
    return;
  }
  registers.orig_rax = -1UL;
  ptrace(PTRACE_SETREGS, pid, NULL, &registers);
  failing[pid] = 1;
}

/* The clock, and the signal that ends a child: without them nobody could hold to anything. */
static int never_fails(unsigned long long call) {
  return call == SYS_clock_gettime || call == SYS_pidfd_send_signal ||
         (only >= 0 && call != (unsigned long long)only);
}

static void system_call(pid_t pid) {
  if (failing[pid] != 0) {
    struct user_regs_struct registers;
    failing[pid] = 0;
    ptrace(PTRACE_GETREGS, pid, NULL, &registers);
    registers.rax = (unsigned long)-error;
    ptrace(PTRACE_SETREGS, pid, NULL, &registers);
    return;
  }
  struct __ptrace_syscall_info info;
  if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) > 0 &&
      info.op == PTRACE_SYSCALL_INFO_ENTRY && waiting == 0 && !never_fails(info.entry.nr) &&
      ++count == at) {
    fail_call(pid);
  }
}

/* What to go on with: a signal that is delivered, or none. */
static int stopped(pid_t pid, int status) {
  const int signal = WSTOPSIG(status);
  if (signal == (SIGTRAP | 0x80)) {
    system_call(pid);
    return 0;
  }
  return status >> 16 != 0 ? 0 : signal;
}

static void one_less_to_wait_for(void) {
  if (waiting > 0 && --waiting == 0) {
    puts("ready");
    fflush(stdout);
  }
}

int main(int argc, char** argv) {
  if (argc < 5) {
    return 64;
  }
  at = atol(argv[1]);
  only = atol(argv[2]);
  error = strcmp(argv[3], "kill") == 0 ? 0 : atoi(argv[3]);
  const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                       PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC;
  for (int i = 4; i < argc; ++i) {
    const pid_t pid = atoi(argv[i]);
    if (ptrace(PTRACE_SEIZE, pid, NULL, options) == 0) {
      ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
      ++waiting;
    }
  }
  if (waiting == 0) {
    return 1;
  }
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, __WALL);
    if (pid < 0) {
      return 0;
    }
    if (!WIFSTOPPED(status)) {
      one_less_to_wait_for();
      continue;
    }
    if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8)) {
      ptrace(PTRACE_DETACH, pid, NULL, NULL);
      continue;
    }
    const int signal = stopped(pid, status);
    ptrace(PTRACE_SYSCALL, pid, NULL, (long)signal);
    one_less_to_wait_for();
  }
}
