#include "native/threads/ring_swap.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "native/linux/io_uring.h"
#include "native/linux/syscalls.h"

namespace cloister::threads {

namespace {

// Where the words of a ring lie, the same for all rings of one kernel.
struct Layout {
  std::uint32_t sq_head, sq_tail, cq_head, cq_tail, sq_entries, cq_entries, cqes;

  bool operator==(const Layout&) const = default;
};

Layout LayoutOf(const uapi::RingParameters& parameters) noexcept {
  return {parameters.sq.head, parameters.sq.tail,         parameters.cq.head,
          parameters.cq.tail, parameters.sq.ring_entries, parameters.cq.ring_entries,
          parameters.cq.cqes};
}

// The kernel tells it of a new ring only.
long LearnLayout(Layout* layout) noexcept {
  uapi::RingParameters parameters = {};
  parameters.flags = uapi::kSetupNoSqArray;
  const long fd = sys::Call(uapi::kSysIoUringSetup, 1, sys::Arg(&parameters));
  if (fd >= 0) {
    *layout = LayoutOf(parameters);
    sys::Close(static_cast<int>(fd));
  }
  return fd;
}

// An old process has submitted much: to go there takes a moment for each million.
constexpr std::uint32_t kMostAdvances = 1U << 28;

std::uint32_t Load(std::uint64_t base, std::uint32_t offset) noexcept {
  return __atomic_load_n(reinterpret_cast<std::uint32_t*>(base + offset), __ATOMIC_ACQUIRE);
}

void Store(std::uint64_t base, std::uint32_t offset, std::uint32_t value) noexcept {
  __atomic_store_n(reinterpret_cast<std::uint32_t*>(base + offset), value, __ATOMIC_RELEASE);
}

RingProblem ProblemOf(const char* call, long result, const char* detail = "") noexcept {
  return {call, result < 0 ? static_cast<int>(-result) : EPROTO, detail};
}

// Shared, so that a fork does not part the process from pages that the kernel holds.
class SharedMemory {
 public:
  explicit SharedMemory(std::uint64_t size) noexcept
      : size_(size),
        address_(sys::Call(SYS_mmap, 0, static_cast<long>(size), PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)) {}
  ~SharedMemory() {
    if (Valid()) {
      sys::Call(SYS_munmap, address_, static_cast<long>(size_));
    }
  }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  [[nodiscard]] bool Valid() const noexcept { return address_ > 0; }
  [[nodiscard]] std::uint64_t Address() const noexcept {
    return static_cast<std::uint64_t>(address_);
  }
  // Gives the pages another address, over whatever is mapped there.
  [[nodiscard]] long MoveTo(std::uint64_t target) noexcept {
    const long result =
        sys::Call(SYS_mremap, address_, static_cast<long>(size_), static_cast<long>(size_),
                  MREMAP_MAYMOVE | MREMAP_FIXED, static_cast<long>(target));
    if (result == static_cast<long>(target)) {
      address_ = -ENOMEM;
      return 0;
    }
    return result;
  }

 private:
  std::uint64_t size_;
  long address_;
};

struct Counters {
  std::uint32_t sq_head, sq_tail, cq_head, cq_tail, sq_entries, cq_entries;
};

Counters ReadCounters(const Layout& at, std::uint64_t base) noexcept {
  return {Load(base, at.sq_head), Load(base, at.sq_tail),    Load(base, at.cq_head),
          Load(base, at.cq_tail), Load(base, at.sq_entries), Load(base, at.cq_entries)};
}

// The kernel counts on its side as well, from 0: the only way to another count is to submit. The
// restriction refuses NOP, and each refusal is one entry taken and one completion given.
long Advance(int fd, const Layout& at, std::uint64_t rings, std::uint64_t entries,
             const Counters& wanted) noexcept {
  std::uint32_t done = 0;
  while (done != wanted.sq_head) {
    const std::uint32_t left = wanted.sq_head - done;
    const std::uint32_t batch = left < wanted.sq_entries ? left : wanted.sq_entries;
    std::memset(reinterpret_cast<void*>(entries), uapi::kOpNop,
                std::size_t{wanted.sq_entries} * uapi::kSubmissionEntrySize);
    Store(rings, at.sq_tail, done + batch);
    const long taken = sys::Call(uapi::kSysIoUringEnter, fd, static_cast<long>(batch), 0, 0, 0, 0);
    if (taken < 0) {
      return taken;
    }
    if (taken == 0 || static_cast<std::uint32_t>(taken) > batch) {
      return -EPROTO;
    }
    done += static_cast<std::uint32_t>(taken);
    Store(rings, at.cq_head, Load(rings, at.cq_tail));
  }
  return Load(rings, at.sq_head) == wanted.sq_head && Load(rings, at.cq_tail) == wanted.cq_tail
             ? 0
             : -EPROTO;
}

long Confine(int fd) noexcept {
  uapi::RingRestriction restriction = {};
  restriction.opcode = uapi::kRestrictionSqeOp;
  restriction.operation = uapi::kOpEpollCtl;
  const long result = sys::Call(uapi::kSysIoUringRegister, fd, uapi::kRegisterRestrictions,
                                sys::Arg(&restriction), 1);
  return result < 0 ? result
                    : sys::Call(uapi::kSysIoUringRegister, fd, uapi::kRegisterEnableRings, 0, 0);
}

long CreateOn(const SharedMemory& rings, const SharedMemory& entries, const Layout& at,
              const Counters& like) noexcept {
  uapi::RingParameters parameters = {};
  parameters.flags = uapi::kSetupDisabled | uapi::kSetupNoMmap | uapi::kSetupNoSqArray |
                     uapi::kSetupCqSize | uapi::kSetupSubmitAll;
  parameters.cq_entries = like.cq_entries;
  parameters.cq.user_address = rings.Address();
  parameters.sq.user_address = entries.Address();
  const long fd =
      sys::Call(uapi::kSysIoUringSetup, static_cast<long>(like.sq_entries), sys::Arg(&parameters));
  if (fd < 0) {
    return fd;
  }
  const bool same = LayoutOf(parameters) == at && parameters.sq_entries == like.sq_entries &&
                    parameters.cq_entries == like.cq_entries;
  if (!same) {
    sys::Close(static_cast<int>(fd));
    return -EPROTO;
  }
  return fd;
}

// Entries that were prepared and not yet submitted, completions that were not yet looked at.
void CopyContents(const Ring& from, const Layout& at, std::uint64_t rings, std::uint64_t entries,
                  const Counters& counters) noexcept {
  std::memcpy(reinterpret_cast<void*>(rings + at.cqes),
              reinterpret_cast<const void*>(from.rings.start + at.cqes),
              std::size_t{counters.cq_entries} * uapi::kCompletionEntrySize);
  std::memcpy(reinterpret_cast<void*>(entries), reinterpret_cast<const void*>(from.entries.start),
              std::size_t{counters.sq_entries} * uapi::kSubmissionEntrySize);
  Store(rings, at.sq_tail, counters.sq_tail);
  Store(rings, at.cq_head, counters.cq_head);
}

bool Plausible(const Ring& ring, const Layout& at, const Counters& counters) noexcept {
  const auto is_power = [](std::uint32_t number) {
    return number != 0 && (number & (number - 1)) == 0 && number <= 32768 * 2;
  };
  return is_power(counters.sq_entries) && is_power(counters.cq_entries) &&
         at.cqes + std::uint64_t{counters.cq_entries} * uapi::kCompletionEntrySize <=
             ring.rings.size &&
         std::uint64_t{counters.sq_entries} * uapi::kSubmissionEntrySize <= ring.entries.size;
}

}  // namespace

RingProblem SwapRing(const Ring& ring) noexcept {
  Layout at = {};
  const long learned = LearnLayout(&at);
  if (learned < 0) {
    return ProblemOf("io_uring_setup", learned, "an io_uring ring");
  }
  const Counters counters = ReadCounters(at, ring.rings.start);
  if (!Plausible(ring, at, counters)) {
    return ProblemOf("mmap", -EPROTO, "an io_uring ring of an unknown layout");
  }
  // epoll_ctl(2) is carried out while it is submitted, so that every entry taken has its
  // completion. A ring on which something is underway is used for more than that.
  if (counters.sq_head != counters.cq_tail || counters.sq_head > kMostAdvances) {
    return {"io_uring_enter", EBUSY, "an io_uring ring that is in use", true};
  }
  SharedMemory rings(ring.rings.size);
  SharedMemory entries(ring.entries.size);
  if (!rings.Valid() || !entries.Valid()) {
    return ProblemOf("mmap", -ENOMEM);
  }
  const long created = CreateOn(rings, entries, at, counters);
  if (created < 0) {
    return ProblemOf("io_uring_setup", created, "an io_uring ring");
  }
  const int fd = static_cast<int>(created);
  long result = Confine(fd);
  const char* call = "io_uring_register";
  if (result >= 0) {
    call = "io_uring_enter";
    result = Advance(fd, at, rings.Address(), entries.Address(), counters);
  }
  if (result >= 0) {
    CopyContents(ring, at, rings.Address(), entries.Address(), counters);
    call = "mremap";
    result = rings.MoveTo(ring.rings.start);
  }
  if (result >= 0) {
    result = entries.MoveTo(ring.entries.start);
  }
  if (result >= 0) {
    call = "dup3";
    result = sys::Call(SYS_dup3, fd, ring.fd, O_CLOEXEC);
  }
  sys::Close(fd);
  return result < 0 ? ProblemOf(call, result) : RingProblem{};
}

}  // namespace cloister::threads
