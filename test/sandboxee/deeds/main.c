#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include "deed.h"

enum { MOST_ARGUMENTS = 8 };

static char told[8192];

void tell(const char* format, ...) {
  const size_t length = strlen(told);
  va_list values;
  va_start(values, format);
  vsnprintf(told + length, sizeof told - length, format, values);
  va_end(values);
}

static const struct {
  int number;
  const char* name;
} errors[] = {
#define E(name) {name, #name}
    E(EPERM),        E(ENOENT),       E(ESRCH),           E(EINTR),           E(EIO),
    E(ENXIO),        E(E2BIG),        E(ENOEXEC),         E(EBADF),           E(ECHILD),
    E(EAGAIN),       E(ENOMEM),       E(EACCES),          E(EFAULT),          E(ENOTBLK),
    E(EBUSY),        E(EEXIST),       E(EXDEV),           E(ENODEV),          E(ENOTDIR),
    E(EISDIR),       E(EINVAL),       E(ENFILE),          E(EMFILE),          E(ENOTTY),
    E(ETXTBSY),      E(EFBIG),        E(ENOSPC),          E(ESPIPE),          E(EROFS),
    E(EMLINK),       E(EPIPE),        E(ERANGE),          E(ENAMETOOLONG),    E(ENOSYS),
    E(ENOTEMPTY),    E(ELOOP),        E(ENODATA),         E(EPROTO),          E(EOPNOTSUPP),
    E(EAFNOSUPPORT), E(EADDRINUSE),   E(ENETDOWN),        E(ENETUNREACH),     E(ECONNREFUSED),
    E(ETIMEDOUT),    E(EHOSTUNREACH), E(EPROTONOSUPPORT), E(ENOKEY),          E(EDQUOT),
    E(ESTALE),       E(EUSERS),       E(EADDRNOTAVAIL),   E(ESOCKTNOSUPPORT),
#undef E
};

static void print_error(long error, const char* more) {
  for (size_t i = 0; i < sizeof errors / sizeof errors[0]; ++i) {
    if (errors[i].number == error) {
      printf("%s%s\n", errors[i].name, more);
      return;
    }
  }
  printf("errno %ld%s\n", error, more);
}

static const struct deed* find(const char* name) {
  static const struct deed* const all[] = {file_deeds,    namespace_deeds, process_deeds,
                                           network_deeds, terminal_deeds,  limit_deeds,
                                           ipc_deeds,     kernel_deeds,    memory_deeds};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) {
    for (const struct deed* deed = all[i]; deed->name != NULL; ++deed) {
      if (strcmp(deed->name, name) == 0) {
        return deed;
      }
    }
  }
  fprintf(stderr, "no deed %s\n", name);
  exit(64);
}

static void do_deed(const char* written) {
  char copy[4096];
  snprintf(copy, sizeof copy, "%s", written);
  char* args[MOST_ARGUMENTS];
  char* rest = copy;
  char* name = strsep(&rest, ",");
  for (int i = 0; i < MOST_ARGUMENTS; ++i) {
    args[i] = rest == NULL ? "" : strsep(&rest, ",");
  }
  told[0] = ':';
  told[1] = '\0';
  const long result = find(name)->act(args);
  const char* more = told[1] == '\0' ? "" : told;
  printf("%s=", written);
  if (result < 0) {
    print_error(-result, more);
  } else {
    printf("OK%s\n", more);
  }
  fflush(stdout);
}

// --without NUMBER COMMAND [ARGUMENT...]: runs a command as on a kernel without that system call.
static int without(long call, char** command) {
  struct sock_filter program[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
                                  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
                                  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
                                  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const struct sock_fprog filter = {sizeof program / sizeof program[0], program};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) {
    perror("seccomp");
    return 65;
  }
  execvp(command[0], command);
  perror(command[0]);
  return 127;
}

int main(int argc, char** argv) {
  if (argc > 3 && strcmp(argv[1], "--without") == 0) {
    return without(number(argv[2]), argv + 3);
  }
  for (int i = 1; i < argc; ++i) {
    do_deed(argv[i]);
  }
  return 0;
}
