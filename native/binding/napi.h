// The only file that includes <napi.h>: its templates do not compile under our warnings, and a
// system header is not held to them.

#ifndef CLOISTER_BINDING_NAPI_H_
#define CLOISTER_BINDING_NAPI_H_

#pragma GCC system_header

// In an environment that ends (worker.terminate(), process.exit()) nothing can be thrown any more;
// that must not end the whole process.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
#include <napi.h>

#endif  // CLOISTER_BINDING_NAPI_H_
