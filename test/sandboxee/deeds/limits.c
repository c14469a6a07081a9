#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "deed.h"

/* descriptors: every number from 0 to 1023 that is open */
static long do_descriptors(char** args) {
  (void)args;
  const char* separator = "";
  for (int fd = 0; fd < 1024; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) {
      tell("%s%d", separator, fd);
      separator = " ";
    }
  }
  return 0;
}

/* open-until-refused: tells how many more descriptors there were */
static long do_open_until_refused(char** args) {
  (void)args;
  int count = 0;
  int error = 0;
  int fds[65536];
  while (count < 65536) {
    fds[count] = open("/dev/null", O_RDONLY);
    if (fds[count] < 0) {
      error = errno;
      break;
    }
    ++count;
  }
  for (int i = 0; i < count; ++i) {
    close(fds[i]);
  }
  tell("%d", count + 3);
  return -error;
}

/* fork-until-refused,MOST: tells how many processes there are with this one */
static long do_fork_until_refused(char** args) {
  const long most = number(args[0]);
  pid_t pids[4096];
  long count = 0;
  int error = 0;
  while (count < most) {
    pids[count] = fork();
    if (pids[count] == 0) {
      for (;;) {
        pause();
      }
    }
    if (pids[count] < 0) {
      error = errno;
      break;
    }
    ++count;
  }
  for (long i = 0; i < count; ++i) {
    kill(pids[i], SIGKILL);
    waitpid(pids[i], NULL, 0);
  }
  tell("%ld", count + 1);
  return -error;
}

static void* idle(void* nothing) {
  pause();
  return nothing;
}

/* threads-until-refused,MOST: they count as processes do */
static long do_threads_until_refused(char** args) {
  const long most = number(args[0]);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 65536);
  for (long count = 1; count < most; ++count) {
    pthread_t thread;
    const int error = pthread_create(&thread, &attributes, idle, NULL);
    if (error != 0) {
      tell("%ld", count);
      return -error;
    }
  }
  return 0;
}

/* map,MIB: that much memory, not touched */
static long do_map(char** args) {
  const size_t size = (size_t)number(args[0]) << 20;
  void* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return -errno;
  }
  munmap(memory, size);
  return 0;
}

/* get-limit,NUMBER */
static long do_get_limit(char** args) {
  struct rlimit limit;
  if (getrlimit((int)number(args[0]), &limit) != 0) {
    return -errno;
  }
  if (limit.rlim_cur == limit.rlim_max) {
    tell("%ld", (long)limit.rlim_cur);
  } else {
    tell("%ld %ld", (long)limit.rlim_cur, (long)limit.rlim_max);
  }
  return 0;
}

/* raise-limit,NUMBER */
static long do_raise_limit(char** args) {
  struct rlimit limit;
  if (getrlimit((int)number(args[0]), &limit) != 0) {
    return -errno;
  }
  limit.rlim_max += 1;
  return answer(setrlimit((int)number(args[0]), &limit));
}

static long deep(long depth) {
  volatile char frame[4096];
  frame[0] = (char)depth;
  return depth == 0 ? 0 : deep(depth - 1) + frame[0] * 0;
}

/* use-stack,KIB */
static long do_use_stack(char** args) {
  return deep(number(args[0]) / 4) * 0;
}

static long do_ignore_xfsz(char** args) {
  (void)args;
  signal(SIGXFSZ, SIG_IGN);
  return 0;
}

static long do_crash(char** args) {
  (void)args;
  abort();
}

const struct deed limit_deeds[] = {{"descriptors", do_descriptors},
                                   {"open-until-refused", do_open_until_refused},
                                   {"fork-until-refused", do_fork_until_refused},
                                   {"threads-until-refused", do_threads_until_refused},
                                   {"map", do_map},
                                   {"get-limit", do_get_limit},
                                   {"raise-limit", do_raise_limit},
                                   {"use-stack", do_use_stack},
                                   {"ignore-xfsz", do_ignore_xfsz},
                                   {"crash", do_crash},
                                   {NULL, NULL}};
