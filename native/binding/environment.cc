#include "native/binding/environment.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "native/binding/convert.h"
#include "native/binding/file_lock.h"
#include "native/binding/launcher_client.h"
#include "native/binding/launcher_process.h"
#include "native/binding/mount_table.h"
#include "native/wire/messages.h"

namespace cloister::binding {

namespace {

constexpr int kHighestSignal = 64;  // SIGRTMAX of the kernel

Environment* Self(const Napi::CallbackInfo& info) {
  return static_cast<Environment*>(info.Data());
}

Napi::Value Probe(const Napi::CallbackInfo& info) {
  const std::optional<std::string> path = ToText(info[0]);
  if (!path) {
    ThrowArgument(info.Env(), "probe(launcherPath)");
    return {};
  }
  Result<std::string> text = RunProbe(*path);
  if (!text.Ok()) {
    ThrowFailure(info.Env(), text.Error());
    return {};
  }
  return Napi::String::New(info.Env(), text.Value());
}

Napi::Value Mounts(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), MountGeneration());
}

}  // namespace

void Environment::Register(Napi::Env env, Napi::Object exports) {
  auto* self = new Environment();
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name, self)).Check();
  };
  exports.Set("wireVersion", Napi::Number::New(env, wire::kVersion)).Check();
  add("connect", Connect);
  add("spawn", Spawn);
  add("signal", Signal);
  add("kill", Kill);
  add("ref", Ref);
  add("unref", Unref);
  add("takeDescriptor", TakeDescriptor);
  add("closeDescriptor", CloseDescriptor);
  add("resizeTerminal", ResizeTerminal);
  add("probe", Probe);
  add("mountGeneration", Mounts);
  add("lockFile", LockFile);
  napi_add_env_cleanup_hook(env, TearDown, self);
}

Napi::Value Environment::Connect(const Napi::CallbackInfo& info) {
  Environment* const self = Self(info);
  std::optional<std::string> path = ToText(info[0]);
  if (self->connected_ || !path || !info[1].IsFunction()) {
    ThrowArgument(info.Env(), "connect(launcherPath, onEvent), once");
    return {};
  }
  self->launcher_path_ = *std::move(path);
  // No limit of the queue: an event that is not delivered is a cell that never ends. Unreferenced:
  // JavaScript says when it waits for something.
  self->channel_ = Channel::New(info.Env(), info[1].As<Napi::Function>(), "cloister", 0, 1, self,
                                Destroy, static_cast<void*>(nullptr));
  if (info.Env().IsExceptionPending()) {
    return {};
  }
  self->channel_.Unref(info.Env());
  self->connected_ = true;
  // Hooks run in reverse order: this one has to run before the channel's own, after which nothing
  // may be delivered.
  napi_remove_env_cleanup_hook(info.Env(), TearDown, self);
  napi_add_env_cleanup_hook(info.Env(), TearDown, self);
  return {};
}

void Environment::TearDown(void* argument) {
  auto* const self = static_cast<Environment*>(argument);
  if (!self->connected_) {
    delete self;
    return;
  }
  self->closing_ = true;
  LauncherClient::Instance().Forget(self);
  // Destroy() runs once the channel is closed: its queue may be emptied, through CallJs, until
  // then.
  self->channel_.Abort();
}

void Environment::Destroy(Napi::Env /*env*/, void* /*data*/, Environment* self) {
  delete self;
}

Napi::Value Environment::Spawn(const Napi::CallbackInfo& info) {
  Environment* const self = Self(info);
  const std::optional<std::span<const std::uint8_t>> plan = ToBytes(info[0]);
  const std::optional<std::vector<int>> stdio = ToInts(info[1]);
  if (!self->connected_ || !plan || !stdio) {
    ThrowArgument(info.Env(), "spawn(plan, stdio), after connect");
    return {};
  }
  Result<Spawned> spawned =
      LauncherClient::Instance().Spawn(self, self->launcher_path_, *plan, *stdio);
  if (!spawned.Ok()) {
    ThrowFailure(info.Env(), spawned.Error());
    return {};
  }
  std::vector<int> descriptors;
  descriptors.reserve(spawned.Value().ours.size());
  for (UniqueFd& fd : spawned.Value().ours) {
    descriptors.push_back(self->Hold(std::move(fd)));
  }
  return FromSpawned(info.Env(), spawned.Value().cell, descriptors);
}

int Environment::Hold(UniqueFd fd) {
  const int number = fd.Get();
  if (fd.Valid()) {
    UniqueFd& place = held_[number];
    // The number was held already: somebody else closed it, and the kernel gave it out again.
    static_cast<void>(place.Release());
    place = std::move(fd);
  }
  return number;
}

Napi::Value Environment::TakeDescriptor(const Napi::CallbackInfo& info) {
  const auto found = Self(info)->held_.find(ToInt(info[0]).value_or(-1));
  const bool known = found != Self(info)->held_.end();
  if (known) {
    static_cast<void>(found->second.Release());
    Self(info)->held_.erase(found);
  }
  return Napi::Boolean::New(info.Env(), known);
}

Napi::Value Environment::CloseDescriptor(const Napi::CallbackInfo& info) {
  const bool known = Self(info)->held_.erase(ToInt(info[0]).value_or(-1)) != 0;
  return Napi::Boolean::New(info.Env(), known);
}

Napi::Value Environment::Signal(const Napi::CallbackInfo& info) {
  const std::optional<std::uint64_t> cell = ToCell(info[0]);
  const std::optional<int> signal = ToInt(info[1]);
  if (!cell || !signal || *signal < 0 || *signal > kHighestSignal) {
    ThrowArgument(info.Env(), "signal(cell, signal)");
    return {};
  }
  return Napi::Boolean::New(info.Env(), LauncherClient::Instance().Signal(*cell, *signal));
}

Napi::Value Environment::Kill(const Napi::CallbackInfo& info) {
  const std::optional<std::uint64_t> cell = ToCell(info[0]);
  if (!cell) {
    ThrowArgument(info.Env(), "kill(cell)");
    return {};
  }
  return Napi::Boolean::New(info.Env(), LauncherClient::Instance().Kill(*cell));
}

Napi::Value Environment::ResizeTerminal(const Napi::CallbackInfo& info) {
  const std::optional<std::uint64_t> cell = ToCell(info[0]);
  const std::optional<int> columns = ToInt(info[1]);
  const std::optional<int> rows = ToInt(info[2]);
  constexpr int kMost = std::numeric_limits<std::uint16_t>::max();
  if (!cell || !columns || !rows || *columns < 0 || *columns > kMost || *rows < 0 ||
      *rows > kMost) {
    ThrowArgument(info.Env(), "resizeTerminal(cell, columns, rows)");
    return {};
  }
  return Napi::Boolean::New(
      info.Env(), LauncherClient::Instance().Resize(*cell, static_cast<std::uint16_t>(*columns),
                                                    static_cast<std::uint16_t>(*rows)));
}

Napi::Value Environment::Ref(const Napi::CallbackInfo& info) {
  if (Self(info)->connected_) {
    Self(info)->channel_.Ref(info.Env());
  }
  return {};
}

Napi::Value Environment::Unref(const Napi::CallbackInfo& info) {
  if (Self(info)->connected_) {
    Self(info)->channel_.Unref(info.Env());
  }
  return {};
}

void Environment::Deliver(std::unique_ptr<CellEvent> event) {
  // Refused only by a channel that closes: the environment is ending, and its cells with it.
  if (channel_.NonBlockingCall(event.get()) == napi_ok) {
    [[maybe_unused]] const CellEvent* const delivered = event.release();
  }
}

void Environment::CallJs(Napi::Env env, Napi::Function callback, Environment* self,
                         CellEvent* event) {
  const std::unique_ptr<CellEvent> owned(event);
  // Without an environment this is the emptying of the queue at its end, when `self` is gone. An
  // environment that ends runs no JavaScript any more.
  if (static_cast<napi_env>(env) == nullptr || callback.IsEmpty() || self->closing_) {
    return;
  }
  const Napi::Value value = FromEvent(env, *owned);
  if (!value.IsEmpty()) {
    static_cast<void>(callback.Call({value}));
  }
  // What a listener throws is an uncaught exception, as from any other event. Left pending here, it
  // would only be a warning (Node.js, DEP0168).
  if (env.IsExceptionPending()) {
    napi_fatal_exception(env, env.GetAndClearPendingException().Value());
  }
}

}  // namespace cloister::binding
