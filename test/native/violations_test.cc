// Words for refused calls, and the paths that are refused without any.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "native/violations/descriptions.h"
#include "native/violations/quiet_paths.h"
#include "test/native/check.h"

namespace {

using cloister::violations::Comparison;
using cloister::violations::Condition;
using cloister::violations::DecodeDescriptions;
using cloister::violations::DescribeCall;
using cloister::violations::Descriptions;
using cloister::violations::IsQuietPath;
using cloister::violations::RefusedCall;

std::string Line(const Descriptions& descriptions, const RefusedCall& call,
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
  CHECK_EQ(Line(Words(), {257, true, {0xffffff9c, 0x7fff0, 0x80000, 0, 0, 0}, 42, "thread"}),
           std::string("cloister: system call openat(0xffffff9c, 0x7fff0, 0x80000, 0x0, 0x0, 0x0) "
                       "is not allowed; the promise 'rpath' would allow it (thread 42)\n"));
  // The upper half of an int is nothing that the kernel looks at.
  const std::string writing =
      Line(Words(), {257, true, {0, 0, 0xff00000001, 0, 0, 0}, 42, "thread"});
  CHECK(writing.find("'wpath'") != std::string::npos);
}

CLOISTER_TEST("a call that no promise allows, or that has no name, is told as well") {
  CHECK(Line(Words(), {257, true, {0, 0, 3, 0, 0, 0}, 1, "thread"}).find("no promise allows it") !=
        std::string::npos);
  CHECK(Line(Words(), {999, true, {}, 1, "thread"}).find("number 999(") != std::string::npos);
  CHECK_EQ(Line({}, {1, true, {}, 1, "thread"}),
           std::string("cloister: system call number 1(0x0, 0x0, 0x0, 0x0, 0x0, 0x0) is not "
                       "allowed (thread 1)\n"));
}

CLOISTER_TEST("a number of another architecture is given no name of this one's") {
  const std::string line = Line(Words(), {257, false, {}, 7, "process"});
  CHECK(line.find("number 257 of another architecture(") != std::string::npos);
  CHECK(line.find("no promise allows it (process 7)") != std::string::npos);
}

CLOISTER_TEST("words that are cut off anywhere are none") {
  std::vector<std::uint8_t> bytes;
  const auto u32 = [&bytes](std::uint32_t value) {
    const auto* from = reinterpret_cast<const std::uint8_t*>(&value);
    bytes.insert(bytes.end(), from, from + sizeof(value));
  };
  const auto text = [&](const std::string& word) {
    u32(static_cast<std::uint32_t>(word.size()));
    bytes.insert(bytes.end(), word.c_str(), word.c_str() + word.size() + 1);
  };
  u32(1);
  u32(257);
  text("openat");
  u32(1);
  text("rpath");
  u32(1);
  for (const std::uint32_t word : {257U, 0U, 1U, 2U, 6U, 0U, 0U, 0U, 3U, 0U}) {
    u32(word);
  }
  const auto words = DecodeDescriptions(bytes);
  REQUIRE(words.has_value());
  CHECK(Line(*words, {257, true, {}, 1, "process"}).find("'rpath'") != std::string::npos);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK(!DecodeDescriptions(std::span(bytes.data(), size)).has_value());
  }
}

CLOISTER_TEST("quiet paths are whole names, or all below a directory") {
  CHECK(IsQuietPath("/proc/stat"));
  CHECK(!IsQuietPath("/proc/statm"));
  CHECK(!IsQuietPath("/proc/stat/x"));
  CHECK(IsQuietPath("/usr/share/zoneinfo/UTC"));
  CHECK(!IsQuietPath("/usr/share"));
  CHECK(!IsQuietPath(""));
}

CLOISTER_TEST("a line that is too long is cut off") {
  const std::string line = Line(Words(), {257, true, {}, 1, "thread"}, 20);
  CHECK_EQ(line, std::string("cloister: system ca"));
}

}  // namespace
