// Locks on files that several processes share, such as those of the image cache.

#ifndef CLOISTER_BINDING_FILE_LOCK_H_
#define CLOISTER_BINDING_FILE_LOCK_H_

#include "native/binding/napi.h"

namespace cloister::binding {

// lockFile of lib/native/functions.ts.
Napi::Value LockFile(const Napi::CallbackInfo& info);

}  // namespace cloister::binding

#endif  // CLOISTER_BINDING_FILE_LOCK_H_
