// One JavaScript environment (the main thread or a Worker) that uses the addon: its callback, and
// the functions it sees.

#ifndef CLOISTER_BINDING_ENVIRONMENT_H_
#define CLOISTER_BINDING_ENVIRONMENT_H_

#include <memory>
#include <string>
#include <unordered_map>

#include "native/base/unique_fd.h"
#include "native/binding/cell_event.h"
#include "native/binding/napi.h"

namespace cloister::binding {

class Environment final : public EventSink {
 public:
  // Adds the functions of lib/native/functions.ts to `exports`. The result lives until the
  // environment's end.
  static void Register(Napi::Env env, Napi::Object exports);

  void Deliver(std::unique_ptr<CellEvent> event) override;

 private:
  static void CallJs(Napi::Env env, Napi::Function callback, Environment* self, CellEvent* event);
  using Channel = Napi::TypedThreadSafeFunction<Environment, CellEvent, CallJs>;

  Environment() = default;

  static Napi::Value Connect(const Napi::CallbackInfo& info);
  static Napi::Value Spawn(const Napi::CallbackInfo& info);
  static Napi::Value Signal(const Napi::CallbackInfo& info);
  static Napi::Value Kill(const Napi::CallbackInfo& info);
  static Napi::Value ResizeTerminal(const Napi::CallbackInfo& info);
  static Napi::Value Ref(const Napi::CallbackInfo& info);
  static Napi::Value Unref(const Napi::CallbackInfo& info);
  static Napi::Value TakeDescriptor(const Napi::CallbackInfo& info);
  static Napi::Value CloseDescriptor(const Napi::CallbackInfo& info);
  static void TearDown(void* argument);
  static void Destroy(Napi::Env env, void* data, Environment* self);

  // Until JavaScript takes it: a Worker that is terminated leaves no descriptor behind.
  int Hold(UniqueFd fd);

  std::string launcher_path_;
  bool connected_ = false;
  bool closing_ = false;
  Channel channel_;
  std::unordered_map<int, UniqueFd> held_;
};

}  // namespace cloister::binding

#endif  // CLOISTER_BINDING_ENVIRONMENT_H_
