// Rings of threads that are just being made: whoever restricts waits a moment for them.

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "native/linux/io_uring.h"
#include "native/linux/syscalls.h"
#include "native/threads/restrict.h"
#include "test/native/check.h"

namespace {

namespace uapi = cloister::uapi;
namespace threads = cloister::threads;

constexpr std::uint32_t kEntries = 8;

int MakeRing(uapi::RingParameters* parameters) {
  parameters->flags = uapi::kSetupNoSqArray;
  return static_cast<int>(syscall(uapi::kSysIoUringSetup, kEntries, parameters));
}

bool Map(int ring, std::size_t size, std::uint64_t offset) {
  return mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring,
              static_cast<off_t>(offset)) != MAP_FAILED;
}

// What a process of its own says that restricts itself while it has such a ring.
int RestrictWithRing(bool mapped_late) {
  uapi::RingParameters parameters = {};
  const int ring = MakeRing(&parameters);
  if (ring < 0) {
    return 77;
  }
  std::atomic<bool> ends{false};
  std::thread owner([&] {
    usleep(10000);
    const std::size_t rings =
        parameters.cq.cqes + std::size_t{parameters.cq_entries} * uapi::kCompletionEntrySize;
    const std::size_t entries = std::size_t{parameters.sq_entries} * uapi::kSubmissionEntrySize;
    if (mapped_late &&
        (!Map(ring, rings, uapi::kOffsetRings) || !Map(ring, entries, uapi::kOffsetEntries))) {
      _exit(3);
    }
    while (!ends) {
      usleep(1000);
    }
  });
  const sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  threads::Request request;
  request.restriction.no_new_privileges = true;
  request.filter = allow;
  threads::Report report;
  const threads::RestrictFailure failure = threads::RestrictProcess(request, &report);
  ends = true;
  owner.join();
  return !failure.Failed() ? 0 : std::string(failure.stage) == "rings" ? 1 : 2;
}

int Outcome(bool mapped_late) {
  const pid_t pid = fork();
  if (pid == 0) {
    _exit(RestrictWithRing(mapped_late));
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

CLOISTER_TEST("a ring that its thread has yet to map is waited for") {
  const int outcome = Outcome(true);
  if (outcome == 77) {
    SKIP("this kernel has no such rings");
  }
  CHECK_EQ(outcome, 0);
}

CLOISTER_TEST("a ring that nobody maps is a reason to refuse") {
  const int outcome = Outcome(false);
  if (outcome == 77) {
    SKIP("this kernel has no such rings");
  }
  CHECK_EQ(outcome, 1);
}

}  // namespace
