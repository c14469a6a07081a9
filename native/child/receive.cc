// How a cell takes its plan from the launcher.

#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "native/child/context.h"
#include "native/linux/syscalls.h"
#include "native/plan/decode.h"

namespace cloister::child {

namespace {

constexpr Stage kStage = Stage::k_clone;
// SCM_MAX_FD.
constexpr std::size_t kMaxDescriptors = 253;

// Plans that come in a packet are decoded without asking for memory.
alignas(16) std::uint8_t g_packet[sizeof(wire::StartMessage) + wire::kInlinePlanLimit];
alignas(16) std::uint8_t g_arena[plan::ArenaSizeFor(wire::kInlinePlanLimit)];

// The same for mounts that are made ahead: what a plan says later must not overwrite them.
alignas(16) std::uint8_t g_ahead_packet[sizeof(wire::PrepareMessage) + wire::kInlinePlanLimit];
alignas(16) std::uint8_t g_ahead_arena[plan::ArenaSizeFor(wire::kInlinePlanLimit)];

struct Descriptors {
  int fd[kMaxDescriptors];
  std::size_t count;
};

[[noreturn]] void Malformed(const Context& context) noexcept {
  Fail(context, kStage, EPROTO, "recvmsg", "channel");
}

std::size_t Receive(const Context& context, void* buffer, std::size_t size,
                    Descriptors* descriptors) noexcept {
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxDescriptors * sizeof(int))] = {};
  iovec part = {buffer, size};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const long count = sys::Call(SYS_recvmsg, context.channel, sys::Arg(&message), MSG_CMSG_CLOEXEC);
  Check(context, kStage, count, "recvmsg", "channel");
  if (count == 0) {
    sys::Exit(0);
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    // Descriptors were dropped: more than this process may have.
    Fail(context, kStage, EMFILE, "recvmsg", "channel");
  }
  if ((message.msg_flags & MSG_TRUNC) != 0) {
    Malformed(context);
  }
  descriptors->count = 0;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    descriptors->count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::memcpy(descriptors->fd, CMSG_DATA(header), descriptors->count * sizeof(int));
  }
  return static_cast<std::size_t>(count);
}

void* Map(const Context& context, std::size_t size, long protection, long flags, int fd) noexcept {
  const long address = sys::Call(SYS_mmap, 0, static_cast<long>(size), protection, flags, fd, 0);
  // The last page of addresses holds error numbers.
  if (address < 0 && address > -4096) {
    Fail(context, kStage, -address, "mmap", "plan");
  }
  return reinterpret_cast<void*>(address);
}

using Decoder = bool (*)(const std::uint8_t*, std::size_t, plan::Arena*, plan::Plan*);

void DecodePlan(Context* context, Decoder decode, const std::uint8_t* data, std::size_t size,
                void* memory, std::size_t memory_size) noexcept {
  plan::Arena arena(memory, memory_size);
  if (!decode(data, size, &arena, &context->plan)) {
    Fail(*context, kStage, EPROTO, "decode", "plan");
  }
  context->prepared_trees = arena.Take<int>(context->plan.mounts.size);
  if (context->prepared_trees == nullptr) {
    Fail(*context, kStage, ENOMEM, "decode", "plan");
  }
  for (std::size_t i = 0; i < context->plan.mounts.size; ++i) {
    context->prepared_trees[i] = -1;
  }
}

void TakeStdio(Context* context, const wire::StartMessage& start, const Descriptors& descriptors,
               std::size_t next) noexcept {
  if (start.stdio_count > wire::kStdioLimit) {
    Malformed(*context);
  }
  context->stdio_count = start.stdio_count;
  for (std::size_t i = 0; i < start.stdio_count; ++i) {
    const bool terminal = i < 3 && (start.terminal_mask >> i & 1) != 0;
    if (!terminal && next == descriptors.count) {
      Malformed(*context);
    }
    context->stdio[i] = terminal ? -1 : descriptors.fd[next++];
  }
}

void ReceiveTrees(Context* context, std::uint32_t expected) noexcept {
  while (expected > 0) {
    wire::TreesMessage message = {};
    Descriptors descriptors;
    const std::size_t size = Receive(*context, &message, sizeof(message), &descriptors);
    if (size != sizeof(message) || message.count == 0 || message.count > expected ||
        message.count != descriptors.count) {
      Malformed(*context);
    }
    for (std::uint32_t i = 0; i < message.count; ++i) {
      if (message.operation[i] >= context->plan.mounts.size) {
        Malformed(*context);
      }
      context->prepared_trees[message.operation[i]] = descriptors.fd[i];
    }
    expected -= message.count;
  }
}

}  // namespace

void ReceivePreparation(Context* context) noexcept {
  Descriptors descriptors;
  const std::size_t size = Receive(*context, g_ahead_packet, sizeof(g_ahead_packet), &descriptors);
  wire::PrepareMessage message = {};
  if (size < sizeof(message) || descriptors.count != 0) {
    Malformed(*context);
  }
  std::memcpy(&message, g_ahead_packet, sizeof(message));
  if (message.mounts_size != size - sizeof(message)) {
    Malformed(*context);
  }
  context->preparation = message.preparation;
  context->host_id = message.host_id;
  context->ahead = message.ahead != 0;
  context->mounts_ahead = message.mounts_size != 0;
  if (context->mounts_ahead) {
    DecodePlan(context, plan::DecodeMounts, g_ahead_packet + sizeof(message), message.mounts_size,
               g_ahead_arena, sizeof(g_ahead_arena));
    ReceiveTrees(context, message.tree_count);
  }
}

void ReceivePlan(Context* context) noexcept {
  Descriptors descriptors;
  const std::size_t size = Receive(*context, g_packet, sizeof(g_packet), &descriptors);
  wire::StartMessage start = {};
  if (size < sizeof(start)) {
    Malformed(*context);
  }
  std::memcpy(&start, g_packet, sizeof(start));
  if (start.plan_in_memfd == 0) {
    if (start.plan_size != size - sizeof(start)) {
      Malformed(*context);
    }
    DecodePlan(context, plan::Decode, g_packet + sizeof(start), start.plan_size, g_arena,
               sizeof(g_arena));
    TakeStdio(context, start, descriptors, 0);
  } else {
    if (descriptors.count == 0 || start.plan_size > wire::kPlanLimit) {
      Malformed(*context);
    }
    // Sealed: what was checked does not change any more.
    void* data = Map(*context, start.plan_size, PROT_READ, MAP_SHARED, descriptors.fd[0]);
    const std::size_t arena = plan::ArenaSizeFor(start.plan_size);
    void* memory = Map(*context, arena, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    DecodePlan(context, plan::Decode, static_cast<const std::uint8_t*>(data), start.plan_size,
               memory, arena);
    TakeStdio(context, start, descriptors, 1);
  }
  context->umask = start.umask;
  if (start.mounts_done != (context->mounts_ahead ? 1U : 0U)) {
    Malformed(*context);
  }
  ReceiveTrees(context, start.tree_count);
}

}  // namespace cloister::child
