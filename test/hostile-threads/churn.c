// Preloaded into a process that is about to restrict itself: threads that come and go as fast as
// they can, and try a forbidden file all the time.
//
// CHURN_FILE names a file of 32 bytes that is shared with the program: a word that says what is in
// force (1: files, 2: a filter as well), and three counts: threads that were made, tries since then,
// and tries since then that succeeded.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct Shared {
  _Atomic uint64_t restricted;
  _Atomic uint64_t threads;
  _Atomic uint64_t tries;
  _Atomic uint64_t leaks;
};

static struct Shared* shared;
static pthread_attr_t detached;

static void Probe(void) {
  // Looked at first: a try that began before the restriction was in force proves nothing.
  const uint64_t restricted = atomic_load(&shared->restricted);
  const int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    close(fd);
  }
  // Without a filter the kernel looks for the file: ENOENT.
  if (restricted == 2 && (chmod("/nowhere/at/all", 0) == 0 || errno != EPERM)) {
    atomic_fetch_add(&shared->leaks, 1);
  }
  if (restricted != 0) {
    atomic_fetch_add(&shared->tries, 1);
    atomic_fetch_add(&shared->leaks, fd >= 0 ? 1 : 0);
  }
}

static void Start(void* (*body)(void*)) {
  pthread_t thread;
  while (pthread_create(&thread, &detached, body, NULL) != 0) {
    usleep(1000);
  }
  atomic_fetch_add(&shared->threads, 1);
}

// Makes its own successor and is gone: a list of threads that is read meanwhile never holds both.
static void* Link(void* argument) {
  (void)argument;
  Probe();
  usleep(200);
  Start(Link);
  return NULL;
}

static void* Short(void* argument) {
  (void)argument;
  Probe();
  return NULL;
}

static void* Maker(void* argument) {
  (void)argument;
  for (;;) {
    Start(Short);
    usleep(300);
  }
}

__attribute__((constructor)) static void Begin(void) {
  const char* path = getenv("CHURN_FILE");
  const int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    return;
  }
  shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (shared == MAP_FAILED) {
    abort();
  }
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&detached, 64 * 1024);
  Start(Maker);
  Start(Link);
  Start(Link);
}
