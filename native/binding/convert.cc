#include "native/binding/convert.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace cloister::binding {

namespace {

constexpr double kNanosecondsPerMillisecond = 1e6;
constexpr double kMicrosecondsPerMillisecond = 1e3;
constexpr double kLargestExactInteger = 9007199254740991.0;  // 2^53 - 1

template <typename T>
Napi::Value Number(Napi::Env env, T value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

// An object filled member by member. A failure leaves an exception pending, which shows when the
// call returns.
class Builder {
 public:
  explicit Builder(Napi::Env env) : env_(env), object_(Napi::Object::New(env)) {}

  template <typename T>
  Builder& Add(const char* name, const T& value) {
    ok_ = ok_ && object_.Set(name, value).IsJust();
    return *this;
  }
  template <typename T>
  Builder& AddNumber(const char* name, T value) {
    return Add(name, Number(env_, value));
  }
  Builder& AddFlag(const char* name, std::uint32_t value) {
    return Add(name, Napi::Boolean::New(env_, value != 0));
  }
  [[nodiscard]] Napi::Value Finish() const { return ok_ ? Napi::Value(object_) : Napi::Value(); }

 private:
  Napi::Env env_;
  Napi::Object object_;
  bool ok_ = true;
};

Napi::Value Convert(Napi::Env env, const wire::StartedEvent& event, bool has_terminal) {
  return Builder(env)
      .Add("type", "started")
      .AddNumber("cell", event.header.cell)
      .AddNumber("pid", event.pid)
      .AddFlag("terminal", has_terminal ? 1 : 0)
      .Add("confirmed", FromConfirmed(env, event.confirmed))
      .Finish();
}

Napi::Value Convert(Napi::Env env, const wire::FailedEvent& event, bool /*has_terminal*/) {
  return Builder(env)
      .Add("type", "failed")
      .AddNumber("cell", event.header.cell)
      .AddNumber("stage", event.stage)
      .AddNumber("errno", event.error)
      .Add("syscall", event.syscall)
      .Add("detail", event.detail)
      .Finish();
}

Napi::Value Convert(Napi::Env env, const wire::ExitedEvent& event, bool /*has_terminal*/) {
  const Napi::Value value = Number(env, event.value);
  const bool signaled = event.signaled != 0;
  return Builder(env)
      .Add("type", "exited")
      .AddNumber("cell", event.header.cell)
      .Add("code", signaled ? env.Null() : value)
      .Add("signal", signaled ? value : env.Null())
      .Finish();
}

Napi::Value Convert(Napi::Env env, const wire::EndedEvent& event, bool /*has_terminal*/) {
  return Builder(env)
      .Add("type", "ended")
      .AddNumber("cell", event.header.cell)
      .AddNumber("cause", static_cast<std::uint32_t>(event.cause))
      .AddNumber("causeTime", static_cast<double>(event.cause_time_ns) / kNanosecondsPerMillisecond)
      .AddNumber("wallTime", static_cast<double>(event.wall_time_ns) / kNanosecondsPerMillisecond)
      .AddNumber("userTime", static_cast<double>(event.user_time_us) / kMicrosecondsPerMillisecond)
      .AddNumber("systemTime",
                 static_cast<double>(event.system_time_us) / kMicrosecondsPerMillisecond)
      .AddNumber("peakMemory", event.peak_memory)
      .AddNumber("processes", event.processes)
      .AddNumber("processesLeft", event.processes_left)
      .AddNumber("violations", event.violations)
      .Finish();
}

Napi::Value Convert(Napi::Env env, const wire::ViolationEvent& event, bool /*has_terminal*/) {
  Napi::Array args = Napi::Array::New(env, std::size(event.args));
  for (std::uint32_t i = 0; i < std::size(event.args); ++i) {
    if (args.Set(i, Napi::BigInt::New(env, event.args[i])).IsNothing()) {
      return {};
    }
  }
  return Builder(env)
      .Add("type", "violation")
      .AddNumber("cell", event.header.cell)
      .AddNumber("number", event.number)
      .AddNumber("arch", event.arch)
      .Add("args", args)
      .AddNumber("pid", static_cast<std::uint64_t>(event.pid))
      .Add("path", event.path)
      .Finish();
}

}  // namespace

Napi::Value FromConfirmed(Napi::Env env, const wire::Confirmed& confirmed) {
  return Builder(env)
      .AddFlag("noNewPrivileges", confirmed.no_new_privileges)
      .Add("capabilities", Napi::BigInt::New(env, confirmed.capabilities))
      .AddNumber("namespaces", confirmed.namespaces)
      .AddNumber("rootChange", static_cast<std::uint32_t>(confirmed.root_change))
      .AddNumber("landlockScoped", confirmed.landlock_scoped)
      .AddNumber("landlockAbi", confirmed.landlock_abi)
      .AddNumber("landlockFs", confirmed.landlock_fs)
      .AddNumber("landlockNet", confirmed.landlock_net)
      .AddNumber("filters", confirmed.filters)
      .AddNumber("filterInstructions", confirmed.filter_instructions)
      .Finish();
}

void ThrowFailure(Napi::Env env, const Failure& failure) {
  std::string message = std::string(failure.syscall) + ": error " + std::to_string(failure.error);
  if (!failure.detail.empty()) {
    message += ", " + failure.detail;
  }
  Napi::Error error = Napi::Error::New(env, message);
  Napi::Object object = error.Value();
  const bool ok =
      object.Set("errno", Number(env, -failure.error)).IsJust() &&
      object.Set("syscall", failure.syscall).IsJust() &&
      object.Set("stage", Number(env, static_cast<std::uint32_t>(failure.stage))).IsJust() &&
      object.Set("detail", failure.detail).IsJust();
  if (ok) {
    error.ThrowAsJavaScriptException();
  }
}

void ThrowArgument(Napi::Env env, const char* message) {
  Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
}

std::optional<int> ToInt(const Napi::Value& value) {
  if (!value.IsNumber()) {
    return std::nullopt;
  }
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= std::numeric_limits<int>::min() && number <= std::numeric_limits<int>::max()) ||
      std::trunc(number) != number) {
    return std::nullopt;
  }
  return static_cast<int>(number);
}

std::optional<std::uint64_t> ToCell(const Napi::Value& value) {
  if (!value.IsNumber()) {
    return std::nullopt;
  }
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= 1 && number <= kLargestExactInteger) || std::trunc(number) != number) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(number);
}

std::optional<std::string> ToText(const Napi::Value& value) {
  if (!value.IsString()) {
    return std::nullopt;
  }
  return value.As<Napi::String>().Utf8Value();
}

std::optional<std::span<const std::uint8_t>> ToBytes(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    return std::nullopt;
  }
  const auto bytes = value.As<Napi::Uint8Array>();
  return std::span<const std::uint8_t>(bytes.Data(), bytes.ByteLength());
}

std::optional<std::vector<int>> ToInts(const Napi::Value& value) {
  if (!value.IsArray()) {
    return std::nullopt;
  }
  const auto array = value.As<Napi::Array>();
  std::vector<int> numbers;
  numbers.reserve(array.Length());
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    Napi::Value element;
    std::optional<int> number;
    if (array.Get(i).UnwrapTo(&element)) {
      number = ToInt(element);
    }
    if (!number) {
      return std::nullopt;
    }
    numbers.push_back(*number);
  }
  return numbers;
}

Napi::Value FromEvent(Napi::Env env, const CellEvent& event) {
  return std::visit(
      [env, &event](const auto& message) { return Convert(env, message, event.has_terminal); },
      event.message);
}

Napi::Value FromSpawned(Napi::Env env, std::uint64_t cell, const std::vector<int>& descriptors) {
  Napi::Array numbers = Napi::Array::New(env, descriptors.size());
  for (std::uint32_t i = 0; i < descriptors.size(); ++i) {
    if (numbers.Set(i, Number(env, descriptors[i])).IsNothing()) {
      return {};
    }
  }
  return Builder(env).AddNumber("cell", cell).Add("descriptors", numbers).Finish();
}

}  // namespace cloister::binding
