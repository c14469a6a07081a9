#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "deed.h"

static long do_kill(char** args) {
  return answer(kill((pid_t)number(args[0]), (int)number(args[1])));
}

static long do_attach(char** args) {
  const pid_t pid = (pid_t)number(args[0]);
  if (ptrace(PTRACE_SEIZE, pid, 0, 0) != 0) {
    return -errno;
  }
  ptrace(PTRACE_DETACH, pid, 0, 0);
  return 0;
}

/* trace-child: a debugger's ordinary work */
static long do_trace_child(char** args) {
  (void)args;
  const pid_t pid = fork();
  if (pid == 0) {
    pause();
    _exit(0);
  }
  const long result = answer(ptrace(PTRACE_SEIZE, pid, 0, 0));
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  return result;
}

/* peek,PID,ADDRESS: a word of another process */
static long do_peek(char** args) {
  char byte;
  struct iovec here = {&byte, 1};
  struct iovec there = {(void*)strtoul(args[1], NULL, 16), 1};
  return answer(process_vm_readv((pid_t)number(args[0]), &here, 1, &there, 1, 0));
}

/* take-descriptor,PID,FD */
static long do_take_descriptor(char** args) {
  const int pidfd = (int)syscall(434, number(args[0]), 0);
  return pidfd < 0 ? -errno : answer(syscall(438, pidfd, number(args[1]), 0));
}

static long do_limit_other(char** args) {
  const struct rlimit one = {1, 1};
  return answer(prlimit((pid_t)number(args[0]), RLIMIT_NOFILE, &one, NULL));
}

static long do_nice_other(char** args) {
  return answer(setpriority(PRIO_PROCESS, (id_t)number(args[0]), 19));
}
static long do_nice_user(char** args) {
  (void)args;
  return answer(setpriority(PRIO_USER, 0, 1));
}
static long do_affinity(char** args) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  return answer(sched_setaffinity((pid_t)number(args[0]), sizeof one, &one));
}

/* processes: how many /proc shows */
static long do_processes(char** args) {
  (void)args;
  DIR* proc = opendir("/proc");
  if (proc == NULL) {
    return -errno;
  }
  int count = 0;
  for (struct dirent* entry = readdir(proc); entry != NULL; entry = readdir(proc)) {
    count += entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
  }
  closedir(proc);
  tell("%d", count);
  return 0;
}

/* ids: what the process is inside */
static long do_ids(char** args) {
  (void)args;
  uid_t r, e, s;
  gid_t gr, ge, gs;
  getresuid(&r, &e, &s);
  getresgid(&gr, &ge, &gs);
  tell("%u %u %u %u %u %u", r, e, s, gr, ge, gs);
  return 0;
}

static long do_setuid(char** args) {
  return answer(syscall(SYS_setuid, number(args[0])));
}
static long do_setgid(char** args) {
  return answer(syscall(SYS_setgid, number(args[0])));
}
static long do_setgroups(char** args) {
  (void)args;
  const gid_t group = 0;
  return answer(syscall(SYS_setgroups, 1, &group));
}

static long do_raise_capability(char** args) {
  return answer(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number(args[0]), 0, 0));
}
static long do_undo_securebits(char** args) {
  (void)args;
  return answer(prctl(PR_SET_SECUREBITS, 0, 0, 0, 0));
}
static long do_undo_no_new_privileges(char** args) {
  (void)args;
  return answer(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

/* daemon: a process that leaves session, process group and parent behind and waits; tells its
 * number */
static long do_daemon(char** args) {
  (void)args;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return -errno;
  }
  if (fork() == 0) {
    setsid();
    if (fork() == 0) {
      signal(SIGTERM, SIG_IGN);
      signal(SIGHUP, SIG_IGN);
      const pid_t self = getpid();
      if (write(ends[1], &self, sizeof self) < 0) {
        _exit(1);
      }
      for (int fd = 0; fd < 64; ++fd) {
        close(fd);
      }
      for (;;) {
        pause();
      }
    }
    _exit(0);
  }
  pid_t daemon = 0;
  const long count = read(ends[0], &daemon, sizeof daemon);
  close(ends[0]);
  close(ends[1]);
  return count == sizeof daemon ? 0 : -EIO;
}

static long do_wait_forever(char** args) {
  (void)args;
  printf("waiting\n");
  fflush(stdout);
  while (pause() != 0) {
  }
  return 0;
}

/* session: whether it leads its session and its process group, and its parent */
static long do_session(char** args) {
  (void)args;
  tell("%d %d %d", getpid() == getsid(0), getpid() == getpgrp(), getppid());
  return 0;
}

const struct deed process_deeds[] = {{"kill", do_kill},
                                     {"attach", do_attach},
                                     {"trace-child", do_trace_child},
                                     {"peek", do_peek},
                                     {"take-descriptor", do_take_descriptor},
                                     {"limit-other", do_limit_other},
                                     {"nice-other", do_nice_other},
                                     {"nice-user", do_nice_user},
                                     {"affinity", do_affinity},
                                     {"processes", do_processes},
                                     {"ids", do_ids},
                                     {"setuid", do_setuid},
                                     {"setgid", do_setgid},
                                     {"setgroups", do_setgroups},
                                     {"raise-capability", do_raise_capability},
                                     {"undo-securebits", do_undo_securebits},
                                     {"undo-no-new-privileges", do_undo_no_new_privileges},
                                     {"daemon", do_daemon},
                                     {"wait-forever", do_wait_forever},
                                     {"session", do_session},
                                     {NULL, NULL}};
