// The only file that includes <napi.h>: its templates do not compile under our warnings, and a system header is not held to them.

#ifndef CLOISTER_BINDING_NAPI_H_
#define CLOISTER_BINDING_NAPI_H_

#pragma GCC system_header

#include <napi.h>

#endif  // CLOISTER_BINDING_NAPI_H_
