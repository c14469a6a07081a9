// Landlock's rights by ABI, and the downgrade, as tables: no kernel is asked.

#include <cstdint>

#include "native/landlock/rights.h"
#include "test/native/check.h"

namespace {

using cloister::landlock::Downgrade;
using cloister::landlock::Downgraded;
using cloister::landlock::FileRights;
using cloister::landlock::KnownBy;
using cloister::landlock::RestrictFlagsKnownBy;
using cloister::landlock::Rights;

struct Step {
  int abi;
  Rights known;
  std::uint32_t flags;
};

// From the kernel's own releases (landlock(7), HISTORY of its ABI).
constexpr Step kSteps[] = {
    {0, {0, 0, 0}, 0},        {1, {0x1fff, 0, 0}, 0},     {2, {0x3fff, 0, 0}, 0},
    {3, {0x7fff, 0, 0}, 0},   {4, {0x7fff, 3, 0}, 0},     {5, {0xffff, 3, 0}, 0},
    {6, {0xffff, 3, 3}, 0},   {7, {0xffff, 3, 3}, 7},     {8, {0xffff, 3, 3}, 15},
    {9, {0x1ffff, 3, 3}, 15}, {10, {0x1ffff, 15, 3}, 15},
};

CLOISTER_TEST("each ABI knows exactly its own rights and those before it") {
  for (const Step& step : kSteps) {
    CHECK(KnownBy(step.abi) == step.known);
    CHECK_EQ(RestrictFlagsKnownBy(step.abi), step.flags);
  }
}

CLOISTER_TEST("a newer ABI than the newest known one adds nothing") {
  CHECK(KnownBy(99) == KnownBy(cloister::landlock::kNewestAbi));
  CHECK(KnownBy(cloister::landlock::kNewestAbi - 1) != KnownBy(cloister::landlock::kNewestAbi));
}

CLOISTER_TEST("a single file can have what concerns its content alone") {
  // execute, write-file, read-file, truncate, ioctl-dev, resolve-unix
  CHECK_EQ(FileRights(), std::uint64_t{0x1c007});
}

CLOISTER_TEST("a downgrade keeps what the kernel knows and names the rest") {
  const Rights everything = KnownBy(cloister::landlock::kNewestAbi);
  for (const Step& step : kSteps) {
    const Downgraded result = Downgrade(everything, step.abi);
    CHECK(result.kept == step.known);
    CHECK_EQ(result.kept.fs | result.missing.fs, everything.fs);
    CHECK_EQ(result.kept.fs & result.missing.fs, std::uint64_t{0});
    CHECK_EQ(result.kept.net | result.missing.net, everything.net);
    CHECK_EQ(result.kept.scoped | result.missing.scoped, everything.scoped);
  }
  const Rights scopes = {0, 0, 3};
  CHECK((Downgrade(scopes, 5) == Downgraded{{}, scopes}));
  CHECK((Downgrade(scopes, 6) == Downgraded{scopes, {}}));
}

}  // namespace
