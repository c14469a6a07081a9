// How the native side outside of the child says that something failed.

#ifndef CLOISTER_PLAN_RESULT_H_
#define CLOISTER_PLAN_RESULT_H_

#include <optional>
#include <string>
#include <utility>

#include "native/plan/stages.h"

namespace cloister {

struct Failure {
  Stage stage;
  int error;            // positive error number
  const char* syscall;  // static text
  std::string detail;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}              // NOLINT(google-explicit-constructor)
  Result(Failure failure) : failure_(std::move(failure)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool Ok() const { return value_.has_value(); }
  [[nodiscard]] T& Value() { return *value_; }
  [[nodiscard]] const Failure& Error() const { return *failure_; }

 private:
  std::optional<T> value_;
  std::optional<Failure> failure_;
};

}  // namespace cloister

#endif  // CLOISTER_PLAN_RESULT_H_
