#include "native/binding/seccomp_binding.h"

#include <cstring>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "native/seccomp/compile.h"
#include "native/seccomp/decode.h"
#include "native/seccomp/evaluate.h"

namespace cloister::binding {
namespace {

using seccomp::Instruction;

// The caller is lib/filter alone, so a wrong type is a mistake of ours; it must still not read
// memory that is not there.
std::optional<Napi::Uint8Array> BytesAt(const Napi::CallbackInfo& info, std::size_t index) {
  if (info.Length() <= index || !info[index].IsTypedArray() ||
      info[index].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    Napi::TypeError::New(info.Env(), "expected a Uint8Array").ThrowAsJavaScriptException();
    return std::nullopt;
  }
  return info[index].As<Napi::Uint8Array>();
}

std::optional<std::vector<Instruction>> ProgramAt(const Napi::CallbackInfo& info,
                                                  std::size_t index) {
  const std::optional<Napi::Uint8Array> bytes = BytesAt(info, index);
  if (!bytes.has_value()) {
    return std::nullopt;
  }
  std::vector<Instruction> program(bytes->ByteLength() / sizeof(Instruction));
  if (!program.empty()) {
    std::memcpy(program.data(), bytes->Data(), program.size() * sizeof(Instruction));
  }
  return program;
}

Napi::Value Fail(Napi::Env env, const seccomp::Error& error) {
  Napi::Object failure = Napi::Object::New(env);
  failure.Set("kind", Napi::Number::New(env, static_cast<double>(error.kind)));
  failure.Set("detail", Napi::String::New(env, error.detail));
  return failure;
}

// seccompCompile(request: Uint8Array): Uint8Array | { kind, detail }
Napi::Value Compile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::optional<Napi::Uint8Array> bytes = BytesAt(info, 0);
  if (!bytes.has_value()) {
    return env.Undefined();
  }
  const std::optional<seccomp::Request> request =
      seccomp::DecodeRequest(bytes->Data(), bytes->ByteLength());
  if (!request.has_value()) {
    return Fail(env, {seccomp::ErrorKind::kRequest, "not a request of this version"});
  }
  const auto result = seccomp::Compile(*request);
  if (const auto* error = std::get_if<seccomp::Error>(&result); error != nullptr) {
    return Fail(env, *error);
  }
  const auto& program = std::get<std::vector<Instruction>>(result);
  Napi::Uint8Array output = Napi::Uint8Array::New(env, program.size() * sizeof(Instruction));
  std::memcpy(output.Data(), program.data(), program.size() * sizeof(Instruction));
  return output;
}

// seccompEvaluate(program: Uint8Array, call: Uint8Array): { answer, executed }
Napi::Value Evaluate(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto program = ProgramAt(info, 0);
  const auto bytes = program.has_value() ? BytesAt(info, 1) : std::nullopt;
  if (!bytes.has_value()) {
    return env.Undefined();
  }
  if (bytes->ByteLength() != sizeof(seccomp::CallData)) {
    Napi::TypeError::New(env, "expected a struct seccomp_data").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  seccomp::CallData call{};
  std::memcpy(&call, bytes->Data(), sizeof call);
  const seccomp::Execution execution = seccomp::Run(*program, call);
  Napi::Object result = Napi::Object::New(env);
  result.Set("answer", Napi::Number::New(env, execution.answer));
  result.Set("executed", Napi::Number::New(env, execution.executed));
  return result;
}

// seccompIsConstantAllow(program: Uint8Array, number: number, arch: number): boolean
Napi::Value IsConstantAllow(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto program = ProgramAt(info, 0);
  if (!program.has_value()) {
    return env.Undefined();
  }
  if (info.Length() < 3 || !info[1].IsNumber() || !info[2].IsNumber()) {
    Napi::TypeError::New(env, "expected two numbers").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const std::uint32_t nr = info[1].As<Napi::Number>().Uint32Value();
  const std::uint32_t arch = info[2].As<Napi::Number>().Uint32Value();
  return Napi::Boolean::New(env, seccomp::IsConstantAllow(*program, nr, arch));
}

}  // namespace

void RegisterSeccomp(Napi::Env env, Napi::Object exports) {
  exports.Set("seccompCompile", Napi::Function::New<Compile>(env, "seccompCompile"));
  exports.Set("seccompEvaluate", Napi::Function::New<Evaluate>(env, "seccompEvaluate"));
  exports.Set("seccompIsConstantAllow",
              Napi::Function::New<IsConstantAllow>(env, "seccompIsConstantAllow"));
}

}  // namespace cloister::binding
