// The addon: registers its functions for each environment that loads it.

#include "native/binding/enter_binding.h"
#include "native/binding/environment.h"
#include "native/binding/napi.h"
#include "native/binding/restrict_binding.h"

#if __has_include("native/binding/seccomp_binding.h")
#include "native/binding/seccomp_binding.h"
#define CLOISTER_HAS_SECCOMP 1
#endif

namespace {

Napi::Object Register(Napi::Env env, Napi::Object exports) {
  cloister::binding::Environment::Register(env, exports);
  cloister::binding::RegisterEnter(env, exports);
  cloister::binding::RegisterRestrict(env, exports);
#ifdef CLOISTER_HAS_SECCOMP
  cloister::binding::RegisterSeccomp(env, exports);
#endif
  return exports;
}

}  // namespace

NODE_API_MODULE(cloister, Register)
