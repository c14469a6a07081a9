// The functions of lib/native/restrict-functions.ts.

#ifndef CLOISTER_BINDING_RESTRICT_BINDING_H_
#define CLOISTER_BINDING_RESTRICT_BINDING_H_

#include "native/binding/napi.h"

namespace cloister::binding {

void RegisterRestrict(Napi::Env env, Napi::Object exports);

}  // namespace cloister::binding

#endif  // CLOISTER_BINDING_RESTRICT_BINDING_H_
