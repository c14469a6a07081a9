#include <fcntl.h>
#include <sys/ioctl.h>

#include "deed.h"

/* tiocsti,FD: as if `x` had been typed */
static long do_tiocsti(char** args) {
  const char typed = 'x';
  return answer(ioctl((int)number(args[0]), TIOCSTI, &typed));
}

/* The kernel looks at the lower half of the request only: a filter that compares 64 bits lets this
 * one pass. */
static long do_tiocsti_high(char** args) {
  const char typed = 'x';
  return answer(syscall(SYS_ioctl, number(args[0]), 0x100000000UL | TIOCSTI, &typed));
}

static long do_tioclinux(char** args) {
  char paste = 3;
  return answer(ioctl((int)number(args[0]), TIOCLINUX, &paste));
}

static long do_set_discipline(char** args) {
  const int discipline = 15;
  return answer(ioctl((int)number(args[0]), TIOCSETD, &discipline));
}

/* steal-terminal,FD: makes it the controlling terminal of this session */
static long do_steal(char** args) {
  return answer(ioctl((int)number(args[0]), TIOCSCTTY, 1));
}

static long do_open_terminal(char** args) {
  (void)args;
  const int fd = open("/dev/tty", O_RDWR);
  if (fd < 0) {
    return -errno;
  }
  close(fd);
  return 0;
}

static long do_is_terminal(char** args) {
  return isatty((int)number(args[0])) ? 0 : -errno;
}

/* new-terminal: a pseudo-terminal of its own, and its name */
static long do_new_terminal(char** args) {
  (void)args;
  const int fd = posix_openpt(O_RDWR | O_NOCTTY);
  if (fd < 0 || grantpt(fd) != 0 || unlockpt(fd) != 0) {
    return -errno;
  }
  tell("%s", ptsname(fd));
  close(fd);
  return 0;
}

const struct deed terminal_deeds[] = {{"tiocsti", do_tiocsti},
                                      {"tiocsti-high", do_tiocsti_high},
                                      {"tioclinux", do_tioclinux},
                                      {"set-discipline", do_set_discipline},
                                      {"steal-terminal", do_steal},
                                      {"open-terminal", do_open_terminal},
                                      {"is-terminal", do_is_terminal},
                                      {"new-terminal", do_new_terminal},
                                      {NULL, NULL}};
