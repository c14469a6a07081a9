// The filter compiler, as JavaScript sees it. See lib/native/seccomp-functions.ts.

#ifndef CLOISTER_BINDING_SECCOMP_BINDING_H_
#define CLOISTER_BINDING_SECCOMP_BINDING_H_

#include "native/binding/napi.h"

namespace cloister::binding {

void RegisterSeccomp(Napi::Env env, Napi::Object exports);

}  // namespace cloister::binding

#endif  // CLOISTER_BINDING_SECCOMP_BINDING_H_
