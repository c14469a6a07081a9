#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>

#include "deed.h"

enum { MIB = 1 << 20 };

/* As slowly as a program that does something with it, so that somebody who looks can see it. */
static void fill(char* memory, long mebibytes) {
  for (long i = 0; i < mebibytes; ++i) {
    memset(memory + i * MIB, 1, MIB);
    usleep(1000);
  }
}

static char* private_memory(long mebibytes) {
  return mmap(NULL, (size_t)mebibytes * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
              -1, 0);
}

/* fill-memfd,MIB: memory of a descriptor, which no process maps */
static long do_fill_memfd(char** args) {
  static char block[MIB];
  const int fd = memfd_create("memory", MFD_CLOEXEC);
  if (fd < 0) {
    return -errno;
  }
  memset(block, 1, sizeof block);
  for (long i = number(args[0]); i > 0; --i) {
    if (write(fd, block, sizeof block) < 0) {
      return -errno;
    }
  }
  return 0;
}

/* fill-segments,MIB: System V shared memory that is detached again */
static long do_fill_segments(char** args) {
  for (long i = number(args[0]); i > 0; --i) {
    const int id = shmget(IPC_PRIVATE, MIB, 0600);
    if (id < 0) {
      return -errno;
    }
    char* memory = shmat(id, NULL, 0);
    memset(memory, 1, MIB);
    shmdt(memory);
  }
  return 0;
}

static void* fill_and_end(void* mebibytes) {
  char* memory = private_memory((long)mebibytes);
  fill(memory, (long)mebibytes);
  usleep(300000);
  puts("held");
  fflush(stdout);
  _exit(0);
}

/* fill-without-leader,MIB: in a thread of a process whose first one has ended */
static long do_fill_without_leader(char** args) {
  pthread_t thread;
  pthread_create(&thread, NULL, fill_and_end, (void*)number(args[0]));
  return syscall(SYS_exit, 0);
}

static int wait_a_little(void* nothing) {
  (void)nothing;
  usleep(500000);
  _exit(0);
}

/* fill-and-vfork,MIB: a second process has the same memory for half a second */
static long do_fill_and_vfork(char** args) {
  static char stack[65536] __attribute__((aligned(16)));
  fill(private_memory(number(args[0])), number(args[0]));
  const pid_t pid =
      clone(wait_a_little, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
  return pid < 0 ? -errno : answer(waitpid(pid, NULL, 0)) * 0;
}

/* keep-list,PATH,ENTRIES: an access control list of so many entries (acl(5)), on a new directory */
static long do_keep_list(char** args) {
  struct entry {
    unsigned short tag;
    unsigned short permissions;
    unsigned id;
  };
  static struct {
    unsigned version;
    struct entry entries[8192];
  } list = {.version = 2};
  const unsigned none = ~0U;
  int count = 0;
  list.entries[count++] = (struct entry){1 /* ACL_USER_OBJ */, 6, none};
  for (long i = number(args[1]) - 4; i > 0; --i) {
    list.entries[count++] = (struct entry){2 /* ACL_USER */, 6, getuid()};
  }
  list.entries[count++] = (struct entry){4 /* ACL_GROUP_OBJ */, 6, none};
  list.entries[count++] = (struct entry){16 /* ACL_MASK */, 6, none};
  list.entries[count++] = (struct entry){32 /* ACL_OTHER */, 6, none};
  const size_t size = sizeof list.version + (size_t)count * sizeof list.entries[0];
  return answer(setxattr(args[0], "system.posix_acl_access", &list, size, 0));
}

/* fill-tcp,SOCKETS: loopback connections that nobody reads; tells the mebibytes in them */
static long do_fill_tcp(char** args) {
  static char block[MIB];
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t size = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr*)&address, size) != 0 || listen(listener, 1000) != 0) {
    return -errno;
  }
  getsockname(listener, (struct sockaddr*)&address, &size);
  long sum = 0;
  for (long i = number(args[0]); i > 0; --i) {
    const int one = socket(AF_INET, SOCK_STREAM, 0);
    if (one < 0 || connect(one, (struct sockaddr*)&address, size) != 0 ||
        accept(listener, NULL, NULL) < 0) {
      return -errno;
    }
    for (int idle = 0; idle < 4;) {
      const ssize_t sent = send(one, block, sizeof block, MSG_DONTWAIT);
      idle = sent > 0 ? 0 : idle + 1;
      sum += sent > 0 ? sent : 0;
      usleep(sent > 0 ? 0 : 500);
    }
  }
  tell("%ld", sum / MIB);
  return 0;
}

/* leave-burner,MS: a child that is still there after so much processor time */
static long do_leave_burner(char** args) {
  int done[2];
  if (pipe(done) != 0) {
    return -errno;
  }
  if (fork() == 0) {
    const clock_t end = clock() + number(args[0]) * (CLOCKS_PER_SEC / 1000);
    while (clock() < end) {
    }
    close(done[1]);
    close(1);
    close(2);
    pause();
  }
  close(done[1]);
  char byte;
  return answer(read(done[0], &byte, 1));
}

const struct deed memory_deeds[] = {{"fill-memfd", do_fill_memfd},
                                    {"fill-segments", do_fill_segments},
                                    {"fill-without-leader", do_fill_without_leader},
                                    {"fill-and-vfork", do_fill_and_vfork},
                                    {"keep-list", do_keep_list},
                                    {"fill-tcp", do_fill_tcp},
                                    {"leave-burner", do_leave_burner},
                                    {NULL, NULL}};
