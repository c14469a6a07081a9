// Between JavaScript values and ours.

#ifndef CLOISTER_BINDING_CONVERT_H_
#define CLOISTER_BINDING_CONVERT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "native/binding/cell_event.h"
#include "native/binding/napi.h"
#include "native/plan/result.h"

namespace cloister::binding {

// Throws NativeFailure of lib/native/functions.ts.
void ThrowFailure(Napi::Env env, const Failure& failure);
// For arguments of a wrong kind: a mistake in lib/native, not of the user.
void ThrowArgument(Napi::Env env, const char* message);

std::optional<int> ToInt(const Napi::Value& value);
std::optional<std::uint64_t> ToCell(const Napi::Value& value);
std::optional<std::string> ToText(const Napi::Value& value);
// Points into the array, which must stay alive and is not changed meanwhile.
std::optional<std::span<const std::uint8_t>> ToBytes(const Napi::Value& value);
std::optional<std::vector<int>> ToInts(const Napi::Value& value);

// ConfirmedState in lib/native/functions.ts.
Napi::Value FromConfirmed(Napi::Env env, const wire::Confirmed& confirmed);
// CellEvent in lib/native/functions.ts. Empty where an exception is pending.
Napi::Value FromEvent(Napi::Env env, const CellEvent& event);
// SpawnedCell in lib/native/functions.ts.
Napi::Value FromSpawned(Napi::Env env, std::uint64_t cell, const std::vector<int>& descriptors);

}  // namespace cloister::binding

#endif  // CLOISTER_BINDING_CONVERT_H_
