// Stopping threads: all are reached, one that blocks everything is named, and the process goes on.

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "native/linux/signals.h"
#include "native/threads/world.h"
#include "test/native/check.h"

namespace {

using cloister::threads::Slot;
using cloister::threads::StopFailure;
using cloister::threads::StopProblem;
using cloister::threads::World;

std::atomic<bool> g_end{false};
std::atomic<bool> g_block{false};
std::atomic<std::uint64_t> g_turns{0};
std::atomic<int> g_blocking_tid{0};

void* Turn(void* /*argument*/) {
  // As a library might: everything that pthread_sigmask(3) lets it block.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  while (!g_end) {
    g_turns.fetch_add(1);
  }
  return nullptr;
}

void* Block(void* /*argument*/) {
  cloister::sys::SignalMask mask = 0;
  cloister::sys::SetMask(&cloister::sys::kAllSignals, &mask);
  g_blocking_tid = cloister::sys::Gettid();
  while (g_block) {
    usleep(1000);
  }
  cloister::sys::SetMask(&mask, nullptr);
  return nullptr;
}

int Tasks() {
  static const int tasks = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return tasks;
}

CLOISTER_TEST("threads stand still between stop and release, and then go on") {
  pthread_t threads[3];
  for (pthread_t& thread : threads) {
    REQUIRE(pthread_create(&thread, nullptr, Turn, nullptr) == 0);
  }
  World* world = World::Prepare();
  REQUIRE(world != nullptr);
  for (int round = 0; round < 100; ++round) {
    StopFailure failure;
    const bool stopped = world->Stop(Tasks(), &failure);
    int count = 0;
    std::uint64_t before = 0;
    std::uint64_t after = 0;
    if (stopped) {
      world->ForEach([&](Slot& /*slot*/) { ++count; });
      before = g_turns;
      const cloister::sys::Timespec pause = {0, 200000};
      cloister::sys::Call(SYS_nanosleep, cloister::sys::Arg(&pause), 0);
      after = g_turns;
      world->Release();
    }
    REQUIRE(stopped);
    CHECK_EQ(count, 3);
    CHECK_EQ(before, after);
  }
  const std::uint64_t turns = g_turns;
  while (g_turns == turns) {
  }
  g_end = true;
  for (const pthread_t& thread : threads) {
    pthread_join(thread, nullptr);
  }
}

// A thread that says its number and then sleeps.
std::atomic<int> g_sleeping_tid{0};

void* Sleep(void* /*argument*/) {
  g_sleeping_tid = cloister::sys::Gettid();
  while (!g_end) {
    usleep(1000);
  }
  return nullptr;
}

int VforkChild(void* /*argument*/) {
  while (g_block) {
    usleep(1000);
  }
  _exit(0);
}

// Waits in clone(2) for a child that takes its time, where no signal is handled.
void* Vfork(void* /*argument*/) {
  alignas(16) static char stack[64 * 1024];
  g_sleeping_tid = cloister::sys::Gettid();
  const int pid =
      clone(VforkChild, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, nullptr);
  waitpid(pid, nullptr, 0);
  return nullptr;
}

void AwaitNumber() {
  while (g_sleeping_tid == 0) {
    usleep(100);
  }
}

// That Stop fails because of this one thread, and that nothing stands still afterwards.
void CheckNamed(int tid) {
  StopFailure failure;
  World* world = World::Prepare();
  CHECK(!world->Stop(Tasks(), &failure));
  CHECK_EQ(failure.problem, StopProblem::kUnreachable);
  CHECK_EQ(failure.unreachable, std::size_t{1});
  CHECK_EQ(failure.tids[0], tid);
  CHECK(failure.names[0][0] != '\0');
}

CLOISTER_TEST("a thread that a debugger holds is named, and is stopped when it is let go") {
  g_end = false;
  g_sleeping_tid = 0;
  pthread_t thread;
  REQUIRE(pthread_create(&thread, nullptr, Sleep, nullptr) == 0);
  AwaitNumber();
  int ready[2];
  int go[2];
  REQUIRE(pipe(ready) == 0 && pipe(go) == 0);
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
  const pid_t tracer = fork();
  if (tracer == 0) {
    const bool held = ptrace(PTRACE_ATTACH, g_sleeping_tid.load(), 0, 0) == 0 &&
                      waitpid(g_sleeping_tid, nullptr, __WALL) == g_sleeping_tid;
    char byte = held ? 'y' : 'n';
    if (write(ready[1], &byte, 1) == 1 && read(go[0], &byte, 1) == 1) {
      ptrace(PTRACE_DETACH, g_sleeping_tid.load(), 0, 0);
    }
    _exit(0);
  }
  char held = 'n';
  REQUIRE(read(ready[0], &held, 1) == 1);
  if (held == 'y') {
    CheckNamed(g_sleeping_tid);
  }
  REQUIRE(write(go[1], "x", 1) == 1);
  waitpid(tracer, nullptr, 0);
  StopFailure failure;
  World* world = World::Prepare();
  const bool stopped = world->Stop(Tasks(), &failure);
  if (stopped) {
    world->Release();
  }
  CHECK(stopped);
  g_end = true;
  pthread_join(thread, nullptr);
  if (held != 'y') {
    SKIP("no process may trace another here");
  }
}

CLOISTER_TEST("a thread that waits for a vfork is named, and is stopped afterwards") {
  g_block = true;
  g_sleeping_tid = 0;
  pthread_t thread;
  REQUIRE(pthread_create(&thread, nullptr, Vfork, nullptr) == 0);
  AwaitNumber();
  usleep(20000);
  CheckNamed(g_sleeping_tid);
  g_block = false;
  StopFailure failure;
  World* world = World::Prepare();
  const bool stopped = world->Stop(Tasks(), &failure);
  if (stopped) {
    world->Release();
  }
  CHECK(stopped);
  pthread_join(thread, nullptr);
}

CLOISTER_TEST("a thread that blocks every signal is named, and its late signal does no harm") {
  g_block = true;
  pthread_t thread;
  REQUIRE(pthread_create(&thread, nullptr, Block, nullptr) == 0);
  while (g_blocking_tid == 0) {
    usleep(100);
  }
  World* world = World::Prepare();
  StopFailure failure;
  CHECK(!world->Stop(Tasks(), &failure));
  CHECK_EQ(failure.problem, StopProblem::kUnreachable);
  CHECK_EQ(failure.unreachable, std::size_t{1});
  CHECK_EQ(failure.tids[0], g_blocking_tid.load());
  CHECK(std::string(failure.names[0]).starts_with("test-threads"));
  g_block = false;
  pthread_join(thread, nullptr);
  CHECK(world->Stop(Tasks(), &failure));
  world->Release();
}

}  // namespace
