#include <fcntl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include "deed.h"

enum { READ_KEY = 11, USER_KEYRING = -4, SESSION_KEYRING = -3 };

/* make-memory,KEY and find-memory,KEY: System V shared memory */
static long do_make_memory(char** args) {
  return answer(shmget((key_t)number(args[0]), 4096, IPC_CREAT | IPC_EXCL | 0666)) < 0 ? -errno : 0;
}
static long do_find_memory(char** args) {
  return shmget((key_t)number(args[0]), 0, 0) < 0 ? -errno : 0;
}
static long do_remove_memory(char** args) {
  const int id = shmget((key_t)number(args[0]), 0, 0);
  return id < 0 ? -errno : answer(shmctl(id, IPC_RMID, NULL));
}

static long do_make_queue(char** args) {
  return mq_open(args[0], O_RDWR | O_CREAT, 0666, NULL) < 0 ? -errno : 0;
}
static long do_find_queue(char** args) {
  return mq_open(args[0], O_RDONLY) < 0 ? -errno : 0;
}
static long do_remove_queue(char** args) {
  return answer(mq_unlink(args[0]));
}

/* add-key,DESCRIPTION: into the user's keyring, for everybody of that user to read; tells its
 * number */
static long do_add_key(char** args) {
  const long key = syscall(SYS_add_key, "user", args[0], "secret", 6UL, USER_KEYRING);
  if (key < 0) {
    return -errno;
  }
  syscall(SYS_keyctl, 5 /* SETPERM */, key, 0x3f3f0000L);
  tell("%ld", key);
  return 0;
}

/* read-key,NUMBER */
static long do_read_key(char** args) {
  char secret[16];
  return syscall(SYS_keyctl, READ_KEY, number(args[0]), secret, sizeof secret) < 0 ? -errno : 0;
}

/* find-key,DESCRIPTION: wherever this process may search */
static long do_find_key(char** args) {
  return syscall(SYS_request_key, "user", args[0], NULL, 0L) < 0 ? -errno : 0;
}

static long do_remove_key(char** args) {
  return answer(syscall(SYS_keyctl, 21 /* INVALIDATE */, number(args[0])));
}

const struct deed ipc_deeds[] = {{"make-memory", do_make_memory},
                                 {"find-memory", do_find_memory},
                                 {"remove-memory", do_remove_memory},
                                 {"make-queue", do_make_queue},
                                 {"find-queue", do_find_queue},
                                 {"remove-queue", do_remove_queue},
                                 {"add-key", do_add_key},
                                 {"read-key", do_read_key},
                                 {"find-key", do_find_key},
                                 {"remove-key", do_remove_key},
                                 {NULL, NULL}};
