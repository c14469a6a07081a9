// A small test framework for the C++ units: one file, one executable, main() included. Cases
// register themselves:
//
//   CLOISTER_TEST("an empty message is refused") {
//     CHECK(!Decode({}).ok());
//     CHECK_EQ(Size(), 3);
//   }
//
// CHECK and CHECK_EQ note a failure and go on; REQUIRE leaves the case. SKIP says why this machine
// cannot run it. The executable takes a part of a case's name as its argument and then runs only
// what matches. It ends with 0 = all passed, 1 = a case failed, 77 = there was nothing but skipped
// cases.

#ifndef CLOISTER_TEST_NATIVE_CHECK_H_
#define CLOISTER_TEST_NATIVE_CHECK_H_

#include <cstdio>
#include <cstring>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

namespace cloister::test {

struct Case {
  const char* name;
  void (*body)();
};

// What the running case has noted so far.
struct Progress {
  int failures = 0;
  bool skipped = false;
};

inline std::vector<Case>& Cases() {
  static std::vector<Case> cases;
  return cases;
}

inline Progress& Current() {
  static Progress progress;
  return progress;
}

struct Registration {
  Registration(const char* name, void (*body)()) { Cases().push_back({name, body}); }
};

inline void NoteFailure(const char* file, int line, const std::string& what) {
  ++Current().failures;
  std::fprintf(stderr, "    %s:%d: %s\n", file, line, what.c_str());
}

inline void NoteSkip(const char* reason) {
  Current().skipped = true;
  std::printf("    skipped: %s\n", reason);
}

template <typename T>
std::string Show(const T& value) {
  std::ostringstream text;
  if constexpr (std::is_enum_v<T>) {
    text << static_cast<long long>(value);
  } else if constexpr (std::is_same_v<T, bool>) {
    text << (value ? "true" : "false");
  } else if constexpr (requires { text << value; }) {
    text << value;
  } else {
    text << "(" << sizeof(T) << " bytes)";
  }
  return text.str();
}

template <typename A, typename B>
void CheckEqual(const char* file, int line, const char* expression, const A& actual,
                const B& expected) {
  if (!(actual == expected)) {
    NoteFailure(file, line,
                std::string(expression) + " is " + Show(actual) + ", expected " + Show(expected));
  }
}

inline int RunAll(const char* filter) {
  int passed = 0;
  int failed = 0;
  int skipped = 0;
  for (const Case& test : Cases()) {
    if (filter != nullptr && std::strstr(test.name, filter) == nullptr) {
      continue;
    }
    Current() = {};
    test.body();
    const Progress& progress = Current();
    const char* verdict = progress.failures > 0 ? "FAIL" : progress.skipped ? "skip" : "ok";
    (progress.failures > 0 ? failed : progress.skipped ? skipped : passed) += 1;
    std::printf("  %-4s %s\n", verdict, test.name);
    std::fflush(stdout);
  }
  std::printf("cases: %d passed, %d failed, %d skipped\n", passed, failed, skipped);
  if (failed > 0 || passed + skipped == 0) {
    return 1;
  }
  return passed == 0 ? 77 : 0;
}

}  // namespace cloister::test

#define CLOISTER_TEST_JOIN_(a, b) a##b
#define CLOISTER_TEST_NAME_(prefix, line) CLOISTER_TEST_JOIN_(prefix, line)

#define CLOISTER_TEST(name)                                                                     \
  static void CLOISTER_TEST_NAME_(TestBody, __LINE__)();                                        \
  static const ::cloister::test::Registration CLOISTER_TEST_NAME_(test_registration, __LINE__){ \
      name, &CLOISTER_TEST_NAME_(TestBody, __LINE__)};                                          \
  static void CLOISTER_TEST_NAME_(TestBody, __LINE__)()

#define CHECK(condition)                                                          \
  do {                                                                            \
    if (!(condition)) {                                                           \
      ::cloister::test::NoteFailure(__FILE__, __LINE__, "not true: " #condition); \
    }                                                                             \
  } while (false)

#define CHECK_EQ(actual, expected) \
  ::cloister::test::CheckEqual(__FILE__, __LINE__, #actual, actual, expected)

#define REQUIRE(condition)                                                        \
  do {                                                                            \
    if (!(condition)) {                                                           \
      ::cloister::test::NoteFailure(__FILE__, __LINE__, "not true: " #condition); \
      return;                                                                     \
    }                                                                             \
  } while (false)

#define SKIP(reason)                    \
  do {                                  \
    ::cloister::test::NoteSkip(reason); \
    return;                             \
  } while (false)

int main(int argc, char** argv) {
  return ::cloister::test::RunAll(argc > 1 ? argv[1] : nullptr);
}

#endif  // CLOISTER_TEST_NATIVE_CHECK_H_
