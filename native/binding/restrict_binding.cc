#include "native/binding/restrict_binding.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "native/base/bytes.h"
#include "native/base/unique_fd.h"
#include "native/binding/convert.h"
#include "native/binding/launcher_client.h"
#include "native/binding/watcher.h"
#include "native/landlock/ruleset.h"
#include "native/threads/restrict.h"
#include "native/threads/sigsys.h"

namespace cloister::binding {

namespace {

// Objects filled member by member. A failure leaves an exception pending, which shows when the call
// returns.
template <typename T>
void Put(Napi::Object object, const char* name, const T& value) {
  static_cast<void>(object.Set(name, value).IsJust());
}

template <typename T>
void PutNumber(Napi::Object object, const char* name, T value) {
  Put(object, name, Napi::Number::New(object.Env(), static_cast<double>(value)));
}

Napi::Value Member(const Napi::Object& object, const char* name) {
  Napi::Value value;
  return object.Get(name).UnwrapTo(&value) ? value : object.Env().Undefined();
}

bool Flag(const Napi::Object& object, const char* name) {
  const Napi::Value value = Member(object, name);
  return value.IsBoolean() && value.As<Napi::Boolean>().Value();
}

std::optional<std::uint32_t> ToMask(const Napi::Value& value) {
  const std::optional<int> number = ToInt(value);
  return number && *number >= 0 ? std::optional(static_cast<std::uint32_t>(*number)) : std::nullopt;
}

// The handlers of signals are in this library: a Worker that ends must not take it along.
void KeepLibraryLoaded() {
  static const char anchor = 0;
  Dl_info info = {};
  if (dladdr(&anchor, &info) != 0 && info.dli_fname != nullptr) {
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  }
}

// landlockState(): LandlockState
Napi::Value LandlockState(const Napi::CallbackInfo& info) {
  const long abi = landlock::Abi();
  Napi::Object state = Napi::Object::New(info.Env());
  PutNumber(state, "abi", abi < 0 ? 0 : abi);
  PutNumber(state, "errata", abi < 0 ? 0U : landlock::Errata());
  const threads::Earlier earlier = threads::EarlierRestrictions();
  PutNumber(state, "handledFs", earlier.handled.fs);
  PutNumber(state, "filters", earlier.filters);
  Put(state, "restricted", Napi::Boolean::New(info.Env(), earlier.any));
  return state;
}

Napi::Value ThrowLandlock(Napi::Env env, const char* call, long result, std::string detail) {
  ThrowFailure(env, {Stage::k_landlock, static_cast<int>(-result), call, std::move(detail)});
  return {};
}

// createRuleset(fs, net, scoped): descriptor
Napi::Value CreateRuleset(const Napi::CallbackInfo& info) {
  const std::optional<std::uint32_t> fs = ToMask(info[0]);
  const std::optional<std::uint32_t> net = ToMask(info[1]);
  const std::optional<std::uint32_t> scoped = ToMask(info[2]);
  if (!fs || !net || !scoped) {
    ThrowArgument(info.Env(), "createRuleset(fs, net, scoped)");
    return {};
  }
  const long fd = landlock::Create({*fs, *net, *scoped});
  if (fd < 0) {
    return ThrowLandlock(info.Env(), "landlock_create_ruleset", fd, {});
  }
  return Napi::Number::New(info.Env(), static_cast<double>(fd));
}

const char* KindOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return "directory";
    case S_IFREG:
      return "file";
    case S_IFSOCK:
      return "socket";
    case S_IFIFO:
      return "fifo";
    case S_IFCHR:
    case S_IFBLK:
      return "device";
    default:
      return "symlink";
  }
}

// What the descriptor, not the path, leads to: nobody can change that any more.
int Describe(int fd, Napi::Object object) {
  struct stat status = {};
  struct statfs system = {};
  if (fstat(fd, &status) != 0 || fstatfs(fd, &system) != 0) {
    return errno;
  }
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  char real[PATH_MAX] = {};
  const ssize_t length = readlink(link.c_str(), real, sizeof(real) - 1);
  if (length < 0) {
    return errno;
  }
  Put(object, "kind", KindOf(status.st_mode));
  Put(object, "real", std::string(real, static_cast<std::size_t>(length)));
  PutNumber(object, "fileSystem", static_cast<std::uint32_t>(system.f_type));
  return 0;
}

// openPaths(paths): OpenedPath[]
Napi::Value OpenPaths(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsArray()) {
    ThrowArgument(env, "openPaths(paths)");
    return {};
  }
  const auto paths = info[0].As<Napi::Array>();
  Napi::Array opened = Napi::Array::New(env, paths.Length());
  for (std::uint32_t i = 0; i < paths.Length(); ++i) {
    Napi::Value value;
    const std::optional<std::string> path =
        paths.Get(i).UnwrapTo(&value) ? ToText(value) : std::nullopt;
    Napi::Object object = Napi::Object::New(env);
    int error = EINVAL;
    if (path) {
      UniqueFd fd(static_cast<int>(landlock::OpenForRule(path->c_str())));
      error = fd.Valid() ? Describe(fd.Get(), object) : -fd.Release();
      if (error == 0) {
        PutNumber(object, "descriptor", fd.Release());
      }
    }
    PutNumber(object, "errno", -error);
    if (opened.Set(i, object).IsNothing()) {
      return {};
    }
  }
  return opened;
}

// grantPath(ruleset, descriptor, rights)
Napi::Value GrantPath(const Napi::CallbackInfo& info) {
  const std::optional<int> ruleset = ToInt(info[0]);
  const std::optional<int> fd = ToInt(info[1]);
  const std::optional<std::uint32_t> rights = ToMask(info[2]);
  if (!ruleset || !fd || !rights) {
    ThrowArgument(info.Env(), "grantPath(ruleset, descriptor, rights)");
    return {};
  }
  const long result = landlock::AddPath(*ruleset, *fd, *rights);
  return result < 0 ? ThrowLandlock(info.Env(), "landlock_add_rule", result, {}) : Napi::Value();
}

// grantPort(ruleset, port, rights)
Napi::Value GrantPort(const Napi::CallbackInfo& info) {
  const std::optional<int> ruleset = ToInt(info[0]);
  const std::optional<int> port = ToInt(info[1]);
  const std::optional<std::uint32_t> rights = ToMask(info[2]);
  if (!ruleset || !port || *port < 0 || *port > UINT16_MAX || !rights) {
    ThrowArgument(info.Env(), "grantPort(ruleset, port, rights)");
    return {};
  }
  const long result = landlock::AddPort(*ruleset, static_cast<std::uint16_t>(*port), *rights);
  return result < 0 ? ThrowLandlock(info.Env(), "landlock_add_rule", result, std::to_string(*port))
                    : Napi::Value();
}

// closeDescriptors(descriptors)
Napi::Value CloseDescriptors(const Napi::CallbackInfo& info) {
  const std::optional<std::vector<int>> descriptors = ToInts(info[0]);
  if (!descriptors) {
    ThrowArgument(info.Env(), "closeDescriptors(descriptors)");
    return {};
  }
  for (const int fd : *descriptors) {
    UniqueFd(fd).Reset();
  }
  return {};
}

struct Asked {
  threads::Request request;
  std::vector<sock_filter> filter;
  std::optional<violations::Descriptions> descriptions;
};

std::optional<Asked> ReadRequest(const Napi::Value& value) {
  if (!value.IsObject()) {
    return std::nullopt;
  }
  const auto object = value.As<Napi::Object>();
  Asked asked;
  threads::Restriction& restriction = asked.request.restriction;
  const std::optional<int> ruleset = ToInt(Member(object, "ruleset"));
  const std::optional<std::uint32_t> fs = ToMask(Member(object, "handledFs"));
  const std::optional<std::uint32_t> net = ToMask(Member(object, "handledNet"));
  const std::optional<std::uint32_t> scoped = ToMask(Member(object, "scoped"));
  const Napi::Value kept = Member(object, "keptCapabilities");
  bool exact = false;
  if (!ruleset || !fs || !net || !scoped || !kept.IsBigInt()) {
    return std::nullopt;
  }
  asked.request.handled = {*fs, *net, *scoped};
  restriction.ruleset = *ruleset;
  restriction.kept_capabilities = kept.As<Napi::BigInt>().Uint64Value(&exact);
  restriction.no_new_privileges = Flag(object, "noNewPrivileges");
  restriction.thread_sync = Flag(object, "threadSync");
  restriction.drop_capabilities = Flag(object, "dropCapabilities");
  restriction.root_closed = Flag(object, "rootClosed");
  asked.request.confine_rings = Flag(object, "confineRings");
  asked.request.traps = Flag(object, "traps");
  asked.request.watch = ToInt(Member(object, "watch")).value_or(-1);
  asked.request.filter_allows_reading = Flag(object, "filterAllowsReading");
  asked.request.filter_is_open = Flag(object, "filterIsOpen");
  const std::optional<std::span<const std::uint8_t>> filter = ToBytes(Member(object, "filter"));
  const std::optional<std::span<const std::uint8_t>> words =
      ToBytes(Member(object, "descriptions"));
  if (!exact || !filter || !words || filter->size() % sizeof(sock_filter) != 0 ||
      filter->size() / sizeof(sock_filter) > BPF_MAXINSNS) {
    return std::nullopt;
  }
  asked.filter.resize(filter->size() / sizeof(sock_filter));
  if (!filter->empty()) {
    std::memcpy(asked.filter.data(), filter->data(), filter->size());
  }
  if (!words->empty()) {
    asked.descriptions = violations::DecodeDescriptions(*words);
    if (!asked.descriptions) {
      return std::nullopt;
    }
  }
  return asked;
}

Napi::Value FromFailure(Napi::Env env, const threads::RestrictFailure& failure) {
  Napi::Object object = Napi::Object::New(env);
  Put(object, "stage", failure.stage);
  Put(object, "syscall", failure.call);
  PutNumber(object, "errno", -failure.error);
  Put(object, "detail", failure.detail);
  Napi::Array unreachable = Napi::Array::New(env);
  std::uint32_t index = 0;
  for (const threads::UnreachableThread& thread : failure.unreachable) {
    Napi::Object entry = Napi::Object::New(env);
    PutNumber(entry, "tid", thread.tid);
    Put(entry, "name", thread.name);
    static_cast<void>(unreachable.Set(index++, entry).IsJust());
  }
  Put(object, "unreachable", unreachable);
  return object;
}

// taskDirectory(): descriptor, or a negative error number
Napi::Value TaskDirectory(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), threads::TaskDirectory());
}

// startWatch(launcherPath, log, promises): { socket, events, process }, to be closed by the caller
Napi::Value StartWatch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::optional<std::string> path = ToText(info[0]);
  if (!path || !info[1].IsBoolean() || !info[2].IsBoolean()) {
    ThrowArgument(env, "startWatch(launcherPath, log, promises)");
    return {};
  }
  const wire::WatchRequest request = {wire::kVersion, info[1].As<Napi::Boolean>().Value() ? 1U : 0U,
                                      info[2].As<Napi::Boolean>().Value() ? 1U : 0U, 0};
  Result<Watcher> watcher = StartWatcher(*path, request);
  if (!watcher.Ok()) {
    ThrowFailure(env, watcher.Error());
    return {};
  }
  Napi::Object result = Napi::Object::New(env);
  PutNumber(result, "socket", watcher.Value().socket.Release());
  PutNumber(result, "events", watcher.Value().events.Release());
  PutNumber(result, "process", watcher.Value().process.Release());
  return result;
}

// endWatch(process)
Napi::Value EndWatch(const Napi::CallbackInfo& info) {
  const std::optional<int> process = ToInt(info[0]);
  if (!process) {
    ThrowArgument(info.Env(), "endWatch(process)");
    return {};
  }
  EndWatcher(UniqueFd(*process));
  return {};
}

// restrictProcess(request): RestrictResult
Napi::Value RestrictProcess(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::optional<Asked> asked = ReadRequest(info[0]);
  if (!asked) {
    ThrowArgument(env, "restrictProcess(request)");
    return {};
  }
  KeepLibraryLoaded();
  if (asked->descriptions) {
    threads::SetDescriptions(std::move(*asked->descriptions));
  }
  asked->request.filter = asked->filter;
  threads::Report report;
  const threads::RestrictFailure failure = threads::RestrictProcess(asked->request, &report);
  if (!failure.Failed() && asked->request.restriction.no_new_privileges) {
    LauncherClient::Instance().CloseForGood();
  }
  Napi::Object result = Napi::Object::New(env);
  Put(result, "failure", failure.Failed() ? FromFailure(env, failure) : env.Null());
  PutNumber(result, "threads", report.threads);
  Put(result, "noNewPrivileges", Napi::Boolean::New(env, report.no_new_privileges));
  Put(result, "capabilities", Napi::BigInt::New(env, report.capabilities));
  PutNumber(result, "filters", report.filters);
  PutNumber(result, "instructions", report.instructions);
  PutNumber(result, "handledFs", report.handled.fs);
  PutNumber(result, "handledNet", report.handled.net);
  PutNumber(result, "scoped", report.handled.scoped);
  return result;
}

}  // namespace

void RegisterRestrict(Napi::Env env, Napi::Object exports) {
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name)).Check();
  };
  add("landlockState", LandlockState);
  add("createRuleset", CreateRuleset);
  add("openPaths", OpenPaths);
  add("grantPath", GrantPath);
  add("grantPort", GrantPort);
  add("closeDescriptors", CloseDescriptors);
  add("taskDirectory", TaskDirectory);
  add("startWatch", StartWatch);
  add("endWatch", EndWatch);
  add("restrictProcess", RestrictProcess);
}

}  // namespace cloister::binding
