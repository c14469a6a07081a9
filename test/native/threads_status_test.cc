// What /proc says of a thread: text in, numbers out.

#include <cstdint>
#include <string>

#include "native/threads/status.h"
#include "test/native/check.h"

namespace {

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

}  // namespace
