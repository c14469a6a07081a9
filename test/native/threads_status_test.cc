// What /proc says of a thread, and the line about a refused call: text in, text out.

#include <cstdint>
#include <string>

#include "native/threads/sigsys.h"
#include "native/threads/status.h"
#include "test/native/check.h"

namespace {

using cloister::threads::CallOfThread;
using cloister::threads::Comparison;
using cloister::threads::Condition;
using cloister::threads::DescribeCall;
using cloister::threads::Descriptions;
using cloister::threads::ParseStatus;
using cloister::threads::Status;

constexpr char kStatus[] =
    "Name:\tCapPrm:\n"
    "Threads:\t11\n"
    "SigPnd:\t0000000100000000\n"
    "CapInh:\t0000000000000000\n"
    "CapPrm:\t000001ffffffffff\n"
    "CapEff:\t0000000000000400\n"
    "CapBnd:\t000001ffffffffff\n"
    "CapAmb:\t0000000000000000\n"
    "NoNewPrivs:\t1\n"
    "Seccomp:\t2\n"
    "Seccomp_filters:\t12\n";

CLOISTER_TEST("a status is read by the names at the starts of its lines") {
  Status status = {};
  REQUIRE(ParseStatus(kStatus, &status));
  CHECK_EQ(status.permitted, std::uint64_t{0x1ffffffffff});
  CHECK_EQ(status.effective, std::uint64_t{0x400});
  CHECK_EQ(status.no_new_privileges, 1U);
  CHECK_EQ(status.seccomp, 2U);
  CHECK_EQ(status.filters, 12U);
  CHECK_EQ(status.pending, std::uint64_t{1} << 32);
}

CLOISTER_TEST("a status that lacks a member is refused, but for the count of filters") {
  const std::string text = kStatus;
  Status status = {};
  CHECK(ParseStatus(text.substr(0, text.find("Seccomp_filters")).c_str(), &status));
  CHECK_EQ(status.filters, 0U);
  CHECK(!ParseStatus(text.substr(0, text.find("Seccomp:")).c_str(), &status));
  CHECK(!ParseStatus(text.substr(text.find("CapEff")).c_str(), &status));
  CHECK(!ParseStatus("", &status));
}

std::string Line(const Descriptions& descriptions, const CallOfThread& call,
                 std::size_t size = 512) {
  std::string line(size, '?');
  line.resize(DescribeCall(descriptions, call, line.data(), line.size()));
  return line;
}

Descriptions Words() {
  Descriptions words;
  words.calls = {{257, "openat"}};
  words.promises = {"rpath", "wpath"};
  const Condition reading = {2, Comparison::kMaskedEqual, false, 0, 3};
  const Condition writing = {2, Comparison::kMaskedEqual, false, 1, 3};
  words.allowances = {{257, 0, {reading}}, {257, 1, {writing}}};
  return words;
}

CLOISTER_TEST("the line names the call, its arguments and the promise that fits them") {
  CHECK_EQ(Line(Words(), {257, {0xffffff9c, 0x7fff0, 0x80000, 0, 0, 0}, 42}),
           std::string("cloister: system call openat(0xffffff9c, 0x7fff0, 0x80000, 0x0, 0x0, 0x0) "
                       "is not allowed; the promise 'rpath' would allow it (thread 42)\n"));
  // The upper half of an int is nothing that the kernel looks at.
  const std::string writing = Line(Words(), {257, {0, 0, 0xff00000001, 0, 0, 0}, 42});
  CHECK(writing.find("'wpath'") != std::string::npos);
}

CLOISTER_TEST("a call that no promise allows, or that has no name, is told as well") {
  CHECK(Line(Words(), {257, {0, 0, 3, 0, 0, 0}, 1}).find("no promise allows it") !=
        std::string::npos);
  CHECK(Line(Words(), {999, {}, 1}).find("number 999(") != std::string::npos);
  CHECK_EQ(Line({}, {1, {}, 1}),
           std::string("cloister: system call number 1(0x0, 0x0, 0x0, 0x0, 0x0, 0x0) is not "
                       "allowed (thread 1)\n"));
}

CLOISTER_TEST("a line that is too long is cut off") {
  const std::string line = Line(Words(), {257, {}, 1}, 20);
  CHECK_EQ(line, std::string("cloister: system ca"));
}

}  // namespace
