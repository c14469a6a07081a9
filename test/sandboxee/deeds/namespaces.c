#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "deed.h"

static long flag_of(const char* name) {
  static const struct {
    const char* name;
    long flag;
  } flags[] = {{"user", CLONE_NEWUSER},     {"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID},
               {"net", CLONE_NEWNET},       {"ipc", CLONE_NEWIPC},  {"uts", CLONE_NEWUTS},
               {"cgroup", CLONE_NEWCGROUP}, {"time", 0x80}};
  for (size_t i = 0; i < sizeof flags / sizeof flags[0]; ++i) {
    if (strcmp(flags[i].name, name) == 0) {
      return flags[i].flag;
    }
  }
  return -1;
}

/* What is undone by nothing is done in a child. */
static long in_child(long (*act)(char**), char** args) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return -errno;
  }
  const pid_t pid = fork();
  if (pid == 0) {
    const long result = act(args);
    _exit(write(ends[1], &result, sizeof result) == sizeof result ? 0 : 1);
  }
  close(ends[1]);
  long result = -EPROTO;
  if (read(ends[0], &result, sizeof result) != sizeof result) {
    result = -EPROTO;
  }
  close(ends[0]);
  waitpid(pid, NULL, 0);
  return result;
}

static long unshare_now(char** args) {
  return answer(unshare((int)flag_of(args[0])));
}
static long do_unshare(char** args) {
  return in_child(unshare_now, args);
}

/* clone,NAMESPACE */
static long do_clone(char** args) {
  const long pid = syscall(SYS_clone, flag_of(args[0]) | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    _exit(0);
  }
  if (pid < 0) {
    return -errno;
  }
  waitpid((pid_t)pid, NULL, 0);
  return 0;
}

static long do_clone3(char** args) {
  unsigned long long fields[11] = {(unsigned long long)flag_of(args[0]), 0, 0, 0, SIGCHLD};
  const long pid = syscall(SYS_clone3, fields, sizeof fields);
  if (pid == 0) {
    _exit(0);
  }
  if (pid < 0) {
    return -errno;
  }
  waitpid((pid_t)pid, NULL, 0);
  return 0;
}

static long setns_now(char** args) {
  const int fd = open(args[0], O_RDONLY);
  return fd < 0 ? -errno : answer(setns(fd, 0));
}
static long do_setns(char** args) {
  return in_child(setns_now, args);
}

static long do_mount_tmpfs(char** args) {
  return answer(mount("none", args[0], "tmpfs", 0, NULL));
}
static long do_mount_proc(char** args) {
  return answer(mount("none", args[0], "proc", 0, NULL));
}
static long do_mount_bind(char** args) {
  return answer(mount(args[0], args[1], NULL, MS_BIND, NULL));
}
static long do_remount_writable(char** args) {
  return answer(mount(NULL, args[0], NULL, MS_REMOUNT | MS_BIND, NULL));
}
static long do_mount_device(char** args) {
  return answer(mount(args[0], args[1], "ext4", 0, NULL));
}
static long do_umount(char** args) {
  return answer(umount2(args[0], MNT_DETACH));
}
static long do_pivot_root(char** args) {
  return answer(syscall(SYS_pivot_root, args[0], args[1]));
}

static long do_open_tree(char** args) {
  return answer(syscall(428, AT_FDCWD, args[0], 1 /* OPEN_TREE_CLONE */));
}
static long do_fsopen(char** args) {
  return answer(syscall(430, args[0], 0));
}
static long do_mount_setattr(char** args) {
  const unsigned long long clear_read_only[4] = {0, 1, 0, 0};
  return answer(syscall(442, AT_FDCWD, args[0], 0, clear_read_only, sizeof clear_read_only));
}

/* As far up as it goes from the working directory; tells whether that is the root of this process.
 */
static long climb(void) {
  for (int i = 0; i < 64; ++i) {
    if (chdir("..") != 0) {
      return -errno;
    }
  }
  struct stat here;
  struct stat root;
  if (stat(".", &here) != 0 || stat("/", &root) != 0) {
    return -errno;
  }
  return here.st_ino == root.st_ino && here.st_dev == root.st_dev ? -EXDEV : 0;
}

/* climb,PATH: EXDEV where ".." ends at the own root, OK when it is left behind */
static long climb_now(char** args) {
  return chdir(args[0]) != 0 ? -errno : climb();
}
static long do_climb(char** args) {
  return in_child(climb_now, args);
}

/* climb-from,FD */
static long climb_from_now(char** args) {
  return fchdir((int)number(args[0])) != 0 ? -errno : climb();
}
static long do_climb_from(char** args) {
  return in_child(climb_from_now, args);
}

/* The classic way out of chroot(2): a second chroot with the working directory left outside of it.
 */
static long chroot_now(char** args) {
  if (mkdir(args[0], 0755) != 0 && errno != EEXIST) {
    return -errno;
  }
  return chroot(args[0]) != 0 ? -errno : climb();
}
static long do_chroot(char** args) {
  return in_child(chroot_now, args);
}

/* handle,PATH: name_to_handle_at and open_by_handle_at, which passes every path (CVE-2014-3519) */
static long do_handle(char** args) {
  char buffer[sizeof(struct file_handle) + MAX_HANDLE_SZ];
  struct file_handle* handle = (struct file_handle*)buffer;
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount_id;
  if (name_to_handle_at(AT_FDCWD, args[0], handle, &mount_id, 0) != 0) {
    return -errno;
  }
  const int mount_fd = open(args[0], O_RDONLY);
  return answer(open_by_handle_at(mount_fd, handle, O_RDONLY));
}

const struct deed namespace_deeds[] = {{"unshare", do_unshare},
                                       {"clone", do_clone},
                                       {"clone3", do_clone3},
                                       {"setns", do_setns},
                                       {"mount-tmpfs", do_mount_tmpfs},
                                       {"mount-proc", do_mount_proc},
                                       {"mount-bind", do_mount_bind},
                                       {"remount-writable", do_remount_writable},
                                       {"mount-device", do_mount_device},
                                       {"umount", do_umount},
                                       {"pivot-root", do_pivot_root},
                                       {"open-tree", do_open_tree},
                                       {"fsopen", do_fsopen},
                                       {"mount-setattr", do_mount_setattr},
                                       {"climb", do_climb},
                                       {"climb-from", do_climb_from},
                                       {"chroot", do_chroot},
                                       {"handle", do_handle},
                                       {NULL, NULL}};
