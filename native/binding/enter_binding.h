// The functions of lib/native/functions.ts that enterCell stands on.

#ifndef CLOISTER_BINDING_ENTER_BINDING_H_
#define CLOISTER_BINDING_ENTER_BINDING_H_

#include "native/binding/napi.h"

namespace cloister::binding {

void RegisterEnter(Napi::Env env, Napi::Object exports);

}  // namespace cloister::binding

#endif  // CLOISTER_BINDING_ENTER_BINDING_H_
