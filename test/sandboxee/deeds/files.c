#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "deed.h"

static long opened(int fd) {
  if (fd < 0) {
    return -errno;
  }
  close(fd);
  return 0;
}

/* read,PATH: its first byte, unless it is a directory */
static long do_read(char** args) {
  const int fd = open(args[0], O_RDONLY | O_NONBLOCK);
  if (fd < 0) {
    return -errno;
  }
  char byte;
  const long count = read(fd, &byte, 1);
  const long result = count < 0 && errno != EISDIR ? -errno : 0;
  close(fd);
  return result;
}

static char raced_path[256];
static const char* raced_names[2];
static volatile int raced_over;

static void* flip(void* unused) {
  for (unsigned i = 0; !raced_over; ++i) {
    strcpy(raced_path, raced_names[i % 2]);
  }
  return unused;
}

/* race,ALLOWED,WANTED,TIMES: opens a path that another thread keeps changing from one to the other;
 * tells whether the first was opened, and how often the second */
static long do_race(char** args) {
  raced_names[0] = args[0];
  raced_names[1] = args[1];
  pthread_t thread;
  const int error = pthread_create(&thread, NULL, flip, NULL);
  if (error != 0) {
    return -error;
  }
  long first = 0;
  long second = 0;
  for (long i = 0; i < number(args[2]); ++i) {
    const int fd = open(raced_path, O_RDONLY);
    char text[5] = {0};
    if (fd >= 0) {
      const long count = pread(fd, text, 4, 0);
      /* Libraries begin with this; the other one does not. */
      *(count == 4 && memcmp(text, "\177ELF", 4) == 0 ? &first : &second) += 1;
      close(fd);
    }
  }
  raced_over = 1;
  pthread_join(thread, NULL);
  tell("%s%ld", first > 0 ? "opened " : "never ", second);
  return 0;
}

/* write,PATH: opens it for writing, changes nothing */
static long do_write(char** args) {
  return opened(open(args[0], O_WRONLY | O_NONBLOCK));
}

/* put,PATH,TEXT: writes into an existing file */
static long do_put(char** args) {
  const int fd = open(args[0], O_WRONLY | O_NONBLOCK);
  if (fd < 0) {
    return -errno;
  }
  const long result = write(fd, args[1], strlen(args[1])) < 0 ? -errno : 0;
  close(fd);
  return result;
}

/* create,PATH,MODE */
static long do_create(char** args) {
  umask(0);
  return opened(open(args[0], O_WRONLY | O_CREAT | O_EXCL,
                     args[1][0] == '\0' ? 0644 : strtol(args[1], NULL, 8)));
}

static long do_openat2(char** args) {
  const struct {
    unsigned long long flags, mode, resolve;
  } how = {O_WRONLY | O_CREAT | O_EXCL, (unsigned)strtol(args[1], NULL, 8), 0};
  return opened((int)syscall(SYS_openat2, AT_FDCWD, args[0], &how, sizeof how));
}

static long do_mkdir(char** args) {
  umask(0);
  return answer(mkdir(args[0], args[1][0] == '\0' ? 0755 : strtol(args[1], NULL, 8)));
}
static long do_rmdir(char** args) {
  return answer(rmdir(args[0]));
}
static long do_unlink(char** args) {
  return answer(unlink(args[0]));
}
static long do_symlink(char** args) {
  return answer(symlink(args[0], args[1]));
}
static long do_link(char** args) {
  return answer(link(args[0], args[1]));
}
static long do_rename(char** args) {
  return answer(rename(args[0], args[1]));
}
static long do_chmod(char** args) {
  return answer(chmod(args[0], strtol(args[1], NULL, 8)));
}
static long do_fchmodat(char** args) {
  return answer(syscall(SYS_fchmodat, AT_FDCWD, args[0], strtol(args[1], NULL, 8)));
}
static long do_fchmodat2(char** args) {
  return answer(syscall(452, AT_FDCWD, args[0], strtol(args[1], NULL, 8), 0));
}

static long do_fchmod(char** args) {
  const int fd = open(args[0], O_RDONLY);
  if (fd < 0) {
    return -errno;
  }
  const long result = answer(fchmod(fd, strtol(args[1], NULL, 8)));
  close(fd);
  return result;
}

static long do_chown(char** args) {
  return answer(lchown(args[0], number(args[1]), number(args[2])));
}
static long do_truncate(char** args) {
  return answer(truncate(args[0], 0));
}
static long do_setxattr(char** args) {
  return answer(setxattr(args[0], args[1], args[2], strlen(args[2]), 0));
}

/* mknod,PATH,c|b|p|s,MAJOR,MINOR,MODE */
static long do_mknod(char** args) {
  const mode_t type = args[1][0] == 'c'   ? S_IFCHR
                      : args[1][0] == 'b' ? S_IFBLK
                      : args[1][0] == 's' ? S_IFSOCK
                                          : S_IFIFO;
  umask(0);
  return answer(mknod(args[0], type | (args[4][0] == '\0' ? 0666 : strtol(args[4], NULL, 8)),
                      makedev(number(args[2]), number(args[3]))));
}

/* stat,PATH: kind and permissions, owner, group */
static long do_stat(char** args) {
  struct stat status;
  if (lstat(args[0], &status) != 0) {
    return -errno;
  }
  tell("%o %u %u", status.st_mode, status.st_uid, status.st_gid);
  return 0;
}

static long do_access(char** args) {
  return answer(access(args[0], F_OK));
}

static long do_readlink(char** args) {
  char target[4096];
  const long length = readlink(args[0], target, sizeof target - 1);
  if (length < 0) {
    return -errno;
  }
  target[length] = '\0';
  tell("%s", target);
  return 0;
}

/* exec,PATH: what execve(2) says, or that it ran */
static long do_exec(char** args) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return -errno;
  }
  const pid_t pid = fork();
  if (pid == 0) {
    char* const argv[] = {args[0], NULL};
    execv(args[0], argv);
    const int error = errno;
    _exit(write(ends[1], &error, sizeof error) < 0 ? 2 : 1);
  }
  close(ends[1]);
  int error = 0;
  const long count = read(ends[0], &error, sizeof error);
  close(ends[0]);
  waitpid(pid, NULL, 0);
  return count > 0 ? -error : 0;
}

static long do_map_executable(char** args) {
  const int fd = open(args[0], O_RDONLY);
  if (fd < 0) {
    return -errno;
  }
  void* memory = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
  const long result = memory == MAP_FAILED ? -errno : 0;
  close(fd);
  return result;
}

/* fill,PATH: writes zeros until it may not go on; tells the MiB */
static long do_fill(char** args) {
  static const char block[65536];
  const int fd = open(args[0], O_WRONLY | O_CREAT, 0600);
  if (fd < 0) {
    return -errno;
  }
  long total = 0;
  for (;;) {
    const long count = write(fd, block, sizeof block);
    if (count < 0) {
      break;
    }
    total += count;
  }
  const int error = errno;
  close(fd);
  unlink(args[0]);
  tell("%ld", total >> 20);
  return -error;
}

/* many-files,DIRECTORY: empty ones, until it may not go on; tells how many */
static long do_many_files(char** args) {
  char path[4096];
  for (int count = 0;; ++count) {
    snprintf(path, sizeof path, "%s/%d", args[0], count);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0) {
      tell("%d", count);
      return -errno;
    }
    close(fd);
  }
}

/* reopen,FD,r|w: opens the file behind a descriptor anew */
static long do_reopen(char** args) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%s", args[0]);
  return opened(open(path, (args[1][0] == 'w' ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_NOCTTY));
}

const struct deed file_deeds[] = {{"race", do_race},
                                  {"read", do_read},
                                  {"write", do_write},
                                  {"put", do_put},
                                  {"create", do_create},
                                  {"openat2-create", do_openat2},
                                  {"mkdir", do_mkdir},
                                  {"rmdir", do_rmdir},
                                  {"unlink", do_unlink},
                                  {"symlink", do_symlink},
                                  {"link", do_link},
                                  {"rename", do_rename},
                                  {"chmod", do_chmod},
                                  {"fchmod", do_fchmod},
                                  {"fchmodat", do_fchmodat},
                                  {"fchmodat2", do_fchmodat2},
                                  {"chown", do_chown},
                                  {"truncate", do_truncate},
                                  {"setxattr", do_setxattr},
                                  {"mknod", do_mknod},
                                  {"stat", do_stat},
                                  {"access", do_access},
                                  {"readlink", do_readlink},
                                  {"exec", do_exec},
                                  {"map-executable", do_map_executable},
                                  {"fill", do_fill},
                                  {"many-files", do_many_files},
                                  {"reopen", do_reopen},
                                  {NULL, NULL}};
