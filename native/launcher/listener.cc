#include "native/launcher/listener.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "native/linux/syscalls.h"
#include "native/violations/descriptions.h"
#include "native/violations/quiet_paths.h"
#include "native/wire/child_messages.h"

namespace cloister::launcher {

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kNativeArch = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t kNativeArch = AUDIT_ARCH_AARCH64;
#endif
// asm/unistd.h: numbers of x32 have this bit, and the same architecture.
constexpr std::uint32_t kX32Bit = 0x40000000;
constexpr std::size_t kPageSize = 4096;
constexpr std::size_t kLongestPath = 1024;

// What a call does with the file that its path argument names, as far as it concerns the quiet
// refusals.
enum class PathUse { kNone, kOpen, kLook, kOther };

struct PathCall {
  long number;
  PathUse use;
  int path;   // index of the argument
  int flags;  // kOpen: index of the flags
};

constexpr PathCall kPathCalls[] = {
    {SYS_openat, PathUse::kOpen, 1, 2},     {SYS_newfstatat, PathUse::kLook, 1, 0},
    {SYS_faccessat, PathUse::kLook, 1, 0},  {SYS_readlinkat, PathUse::kLook, 1, 0},
    {SYS_execve, PathUse::kOther, 0, 0},    {SYS_execveat, PathUse::kOther, 1, 0},
    {SYS_mkdirat, PathUse::kOther, 1, 0},   {SYS_mknodat, PathUse::kOther, 1, 0},
    {SYS_unlinkat, PathUse::kOther, 1, 0},  {SYS_renameat2, PathUse::kOther, 1, 0},
    {SYS_linkat, PathUse::kOther, 1, 0},    {SYS_symlinkat, PathUse::kOther, 2, 0},
    {SYS_fchmodat, PathUse::kOther, 1, 0},  {SYS_fchownat, PathUse::kOther, 1, 0},
    {SYS_utimensat, PathUse::kOther, 1, 0}, {SYS_truncate, PathUse::kOther, 0, 0},
    {SYS_statfs, PathUse::kOther, 0, 0},    {SYS_chdir, PathUse::kOther, 0, 0},
    {SYS_chroot, PathUse::kOther, 0, 0},
#if defined(__x86_64__)
    {SYS_open, PathUse::kOpen, 0, 1},       {SYS_stat, PathUse::kLook, 0, 0},
    {SYS_lstat, PathUse::kLook, 0, 0},      {SYS_access, PathUse::kLook, 0, 0},
    {SYS_readlink, PathUse::kLook, 0, 0},   {SYS_creat, PathUse::kOther, 0, 0},
    {SYS_mkdir, PathUse::kOther, 0, 0},     {SYS_mknod, PathUse::kOther, 0, 0},
    {SYS_rmdir, PathUse::kOther, 0, 0},     {SYS_unlink, PathUse::kOther, 0, 0},
    {SYS_rename, PathUse::kOther, 0, 0},    {SYS_renameat, PathUse::kOther, 1, 0},
    {SYS_link, PathUse::kOther, 0, 0},      {SYS_symlink, PathUse::kOther, 1, 0},
    {SYS_chmod, PathUse::kOther, 0, 0},     {SYS_chown, PathUse::kOther, 0, 0},
    {SYS_lchown, PathUse::kOther, 0, 0},    {SYS_utime, PathUse::kOther, 0, 0},
    {SYS_utimes, PathUse::kOther, 0, 0},    {SYS_futimesat, PathUse::kOther, 1, 0},
#endif
};

bool IsNative(const uapi::SeccompData& data) {
  return data.arch == kNativeArch && (static_cast<std::uint32_t>(data.number) & kX32Bit) == 0;
}

const PathCall* FindPathCall(const uapi::SeccompData& data) {
  const auto* found = std::find_if(
      std::begin(kPathCalls), std::end(kPathCalls),
      [&data](const PathCall& call) { return IsNative(data) && call.number == data.number; });
  return found == std::end(kPathCalls) ? nullptr : found;
}

// Flags are values: what is looked at here is what the kernel will use.
bool OnlyReads(const uapi::SeccompData& data, const PathCall& call) {
  // O_TMPFILE without O_DIRECTORY, which is part of it.
  constexpr std::uint64_t kTemporary = O_TMPFILE & ~O_DIRECTORY;
  constexpr std::uint64_t kMore = O_ACCMODE | O_CREAT | O_TRUNC | kTemporary;
  return (data.args[call.flags] & kMore) == 0;
}

// "." and ".." taken out as text. Empty for a relative path, whose beginning is not known.
std::string Normalized(const std::string& path) {
  if (path.empty() || path[0] != '/') {
    return "";
  }
  std::string result;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at + 1), path.size());
    const std::string name = path.substr(at + 1, end - at - 1);
    if (name == "..") {
      result.resize(result.empty() ? 0 : result.rfind('/'));
    } else if (!name.empty() && name != ".") {
      result += "/" + name;
    }
    at = end;
  }
  return result.empty() ? "/" : result;
}

// As many bytes as can be had, up to `size`.
std::size_t ReadMemory(pid_t pid, std::uint64_t address, char* buffer, std::size_t size) {
  const iovec local = {buffer, size};
  const iovec remote = {reinterpret_cast<void*>(static_cast<std::uintptr_t>(address)), size};
  const ssize_t count = process_vm_readv(pid, &local, 1, &remote, 1, 0);
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

// The process of a thread: the kernel tells which thread has called. The thread's own number where
// /proc does not say.
int ProcessOf(std::uint32_t thread) {
  const std::string path = "/proc/" + std::to_string(thread) + "/status";
  const UniqueFd status(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[512] = {};
  if (status.Valid() && read(status.Get(), text, sizeof(text) - 1) > 0) {
    constexpr char kField[] = "\nTgid:";
    if (const char* field = std::strstr(text, kField)) {
      return static_cast<int>(std::strtol(field + sizeof(kField) - 1, nullptr, 10));
    }
  }
  return static_cast<int>(thread);
}

// The kernel's structures may be larger than the ones that this was built with, and it writes all
// of them.
struct Sizes {
  std::size_t notification = sizeof(uapi::SeccompNotification);
  std::size_t response = sizeof(uapi::SeccompResponse);
};

Sizes AskSizes() {
  uapi::SeccompSizes known = {};
  Sizes sizes;
  if (sys::Call(SYS_seccomp, uapi::kSeccompGetSizes, 0, sys::Arg(&known)) == 0) {
    sizes.notification = std::max<std::size_t>(sizes.notification, known.notification);
    sizes.response = std::max<std::size_t>(sizes.response, known.response);
  }
  return sizes;
}

const Sizes& KernelSizes() {
  static const Sizes sizes = AskSizes();
  return sizes;
}

void Respond(int fd, const uapi::SeccompResponse& response) {
  std::vector<std::uint8_t> bytes(KernelSizes().response);
  std::memcpy(bytes.data(), &response, sizeof(response));
  // ENOENT: the caller is gone, and waits no more.
  sys::Ioctl(fd, uapi::kSeccompSend, bytes.data());
}

}  // namespace

Listener::Listener(const plan::Plan& plan)
    : answer_(plan.violation_answer), promises_(plan.promises) {
  for (std::size_t i = 0; i < plan.readable.size; ++i) {
    readable_.emplace_back(plan.readable[i]);
  }
  descriptions_.assign(plan.descriptions.data, plan.descriptions.data + plan.descriptions.size);
}

std::optional<SeccompNotification> Listener::Next() {
  // The ioctl waits for a call where there is none; what poll(2) shows is there for us alone.
  pollfd waiting = {fd_.Get(), POLLIN, 0};
  if (poll(&waiting, 1, 0) != 1 || (waiting.revents & POLLIN) == 0) {
    return std::nullopt;
  }
  std::vector<std::uint8_t> bytes(KernelSizes().notification);
  // ENOENT: killed since.
  if (sys::Ioctl(fd_.Get(), uapi::kSeccompReceive, bytes.data()) < 0) {
    return std::nullopt;
  }
  SeccompNotification call = {};
  std::memcpy(&call, bytes.data(), sizeof(call));
  return call;
}

Judgement Listener::Judge(const SeccompNotification& call, const std::string& path) {
  const uapi::SeccompData& data = call.data;
  if (IsNative(data) && data.number == SYS_execve && !command_executed_) {
    // Made by the cell's own code: no other has run under this filter yet.
    command_executed_ = true;
    return Judgement::kPass;
  }
  const PathCall* known = FindPathCall(data);
  if (!promises_ || known == nullptr || path.empty()) {
    return Judgement::kViolation;
  }
  const std::string normalized = Normalized(path);
  const bool opens = known->use == PathUse::kOpen;
  const bool reads = opens && OnlyReads(data, *known);
  if (reads && IsReadable(normalized)) {
    // Whatever the path says by the time the kernel reads it: its Landlock domain lets the caller
    // read nothing else.
    return Judgement::kPass;
  }
  const bool looks = known->use == PathUse::kLook;
  const bool quiet = (reads || looks) && violations::IsQuietPath(normalized.c_str());
  const bool library = looks && IsReadable(normalized);
  const bool device = opens && violations::IsQuietDevice(normalized.c_str());
  return quiet || library || device ? Judgement::kDoWithout : Judgement::kViolation;
}

std::string Listener::ReadPath(const SeccompNotification& call) const {
  const PathCall* known = FindPathCall(call.data);
  if (known == nullptr) {
    return "";
  }
  const std::uint64_t address = call.data.args[known->path];
  char text[kLongestPath];
  const auto pid = static_cast<pid_t>(call.pid);
  // Up to the end of the page first: the next one may not be there.
  const std::size_t first = std::min(kLongestPath, kPageSize - address % kPageSize);
  std::size_t size = ReadMemory(pid, address, text, first);
  if (size == first && std::memchr(text, '\0', size) == nullptr && size < kLongestPath) {
    size += ReadMemory(pid, address + first, text + first, kLongestPath - first);
  }
  const void* end = std::memchr(text, '\0', size);
  std::uint64_t id = call.id;
  // The number may be another process's by now, if the caller is gone.
  if (end == nullptr || sys::Ioctl(fd_.Get(), uapi::kSeccompIdValid, &id) < 0) {
    return "";
  }
  return {text, static_cast<std::size_t>(static_cast<const char*>(end) - text)};
}

bool Listener::IsReadable(const std::string& path) const {
  return std::any_of(readable_.begin(), readable_.end(), [&path](const std::string& place) {
    return path.compare(0, place.size(), place) == 0 &&
           (path.size() == place.size() || path[place.size()] == '/');
  });
}

void Listener::Pass(const SeccompNotification& call) const {
  Respond(fd_.Get(), {call.id, 0, 0, uapi::kSeccompContinue});
}

void Listener::Refuse(const SeccompNotification& call, int error) const {
  Respond(fd_.Get(), {call.id, 0, -error, 0});
}

std::string Listener::Line(const SeccompNotification& call) const {
  const std::optional<violations::Descriptions> words =
      violations::DecodeDescriptions(descriptions_);
  violations::RefusedCall refused = {};
  refused.number = static_cast<std::uint32_t>(call.data.number);
  refused.native = IsNative(call.data);
  std::copy(std::begin(call.data.args), std::end(call.data.args), refused.args);
  refused.id = ProcessOf(call.pid);
  refused.id_kind = "process";
  char line[wire::kLineSize];
  const std::size_t size = violations::DescribeCall(words.value_or(violations::Descriptions()),
                                                    refused, line, sizeof(line));
  return {line, size};
}

wire::ViolationEvent MakeViolationEvent(std::uint64_t cell, const SeccompNotification& call,
                                        const std::string& path) {
  wire::ViolationEvent event = {};
  event.header = {wire::kVersion, wire::Type::kViolation, cell};
  event.number = static_cast<std::uint32_t>(call.data.number);
  event.arch = call.data.arch;
  std::copy(std::begin(call.data.args), std::end(call.data.args), event.args);
  event.pid = ProcessOf(call.pid);
  path.copy(event.path, sizeof(event.path) - 1);
  return event;
}

}  // namespace cloister::launcher
