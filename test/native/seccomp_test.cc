#include <algorithm>
#include <random>
#include <variant>
#include <vector>

#include "native/seccomp/compile.h"
#include "native/seccomp/condition.h"
#include "native/seccomp/decode.h"
#include "native/seccomp/evaluate.h"
#include "test/native/check.h"

namespace {

using namespace cloister::seccomp;  // NOLINT: the tests are about nothing else

constexpr std::uint32_t kEperm = kErrno | 1;

Policy OneArch(Arch arch, std::vector<Rule> rules, std::uint32_t fallback = kEperm) {
  return {fallback, kKillProcess, kErrno | 38, {{arch, {{0, 335}}, std::move(rules)}}};
}

Condition Wide(Operator op, std::uint64_t value, std::uint64_t mask = 0) {
  return Normalize(0, op, true, false, value, mask).condition;
}

std::vector<Instruction> MustCompile(const Request& request) {
  auto result = Compile(request);
  if (const auto* error = std::get_if<Error>(&result); error != nullptr) {
    cloister::test::NoteFailure(__FILE__, __LINE__, error->detail);
    return {};
  }
  return std::get<std::vector<Instruction>>(result);
}

Request Single(Policy policy) {
  Request request;
  request.policies.push_back(std::move(policy));
  return request;
}

std::uint32_t Ask(const std::vector<Instruction>& program, std::uint32_t nr, std::uint64_t argument,
                  std::uint32_t audit = kAuditX8664) {
  return Run(program, {nr, audit, 0, {argument, 0, 0, 0, 0, 0}}).answer;
}

Condition RandomCondition(std::mt19937& random) {
  const std::uint64_t values[] = {0,
                                  1,
                                  2,
                                  3,
                                  5,
                                  8,
                                  0x80,
                                  0xffff,
                                  0x7fffffff,
                                  0x80000000,
                                  0xffffffff,
                                  0x100000000,
                                  0x100000005,
                                  0x1ffffffff,
                                  0x8000000000000000,
                                  0xffffffff00000000,
                                  ~0ULL};
  for (;;) {
    const auto op = static_cast<Operator>(random() % 7);
    const std::uint64_t mask = values[random() % std::size(values)] | (random() % 2 == 0 ? 0 : 5);
    const std::uint64_t value = values[random() % std::size(values)];
    const bool wide = random() % 2 == 0;
    const std::uint64_t kept = wide ? ~0ULL : 0xffffffffULL;
    const Residue residue =
        Normalize(static_cast<std::uint8_t>(random() % 3), op, wide, false,
                  (op == Operator::kMaskedEqual ? value & mask : value) & kept, mask & kept);
    if (residue.truth == Truth::kOpen) {
      return residue.condition;
    }
  }
}

Rule RandomRule(std::mt19937& random, std::vector<std::uint32_t> numbers, std::size_t most) {
  const std::uint32_t answers[] = {kAllow,       kEperm,      kErrno | 13, kLog,      kTrap,
                                   kKillProcess, kKillThread, kNotify,     kTrace | 3};
  Rule rule{answers[random() % std::size(answers)], random() % 8 == 0, std::move(numbers), {}};
  for (std::size_t i = random() % (most + 1); i > 0; --i) {
    rule.conditions.push_back(RandomCondition(random));
  }
  return rule;
}

CallData RandomCall(std::mt19937& random) {
  CallData call{static_cast<std::uint32_t>(random() % 5), kAuditX8664, 0, {}};
  for (std::uint64_t& argument : call.args) {
    const Condition condition = RandomCondition(random);
    const std::uint64_t part =
        condition.part == Condition::Part::kHigh ? condition.value << 32 : condition.value;
    argument =
        part + random() % 3 - 1 + (random() % 3 == 0 ? std::uint64_t{random() % 3} << 32 : 0);
  }
  return call;
}

CLOISTER_TEST("strictness is a signed comparison of the action, the first of equals winning") {
  CHECK_EQ(Strictest(kAllow, kKillThread), kKillThread);
  CHECK_EQ(Strictest(kKillThread, kKillProcess), kKillProcess);
  CHECK_EQ(Strictest(kErrno | 5, kErrno | 1), kErrno | 5);
  CHECK_EQ(Strictest(kLog, kAllow), kLog);
}

CLOISTER_TEST("comparisons of 64 bits hold as they are written") {
  std::mt19937 random(7);
  for (int i = 0; i < 200'000; ++i) {
    const Condition condition = RandomCondition(random);
    const std::uint64_t argument = condition.value + random() % 3 - 1 +
                                   (random() % 2 == 0 ? 0 : std::uint64_t{random()} << 32);
    // What remains after either half is known must come to the same as looking at the whole.
    for (const bool high : {false, true}) {
      const Word word{condition.argument, high};
      if (!Touches(condition, word)) {
        continue;
      }
      const auto half = static_cast<std::uint32_t>(high ? argument >> 32 : argument);
      const Residue residue = Restrict(condition, word, half);
      const bool holds = residue.truth == Truth::kOpen ? Holds(residue.condition, argument)
                                                       : residue.truth == Truth::kTrue;
      REQUIRE(holds == Holds(condition, argument));
    }
  }
}

CLOISTER_TEST("registers of 32 bits have zero above") {
  CHECK(Normalize(0, Operator::kEqual, true, true, 0x100000005, 0).truth == Truth::kFalse);
  CHECK(Normalize(0, Operator::kLess, true, true, 0x100000005, 0).truth == Truth::kTrue);
  CHECK(Normalize(0, Operator::kMaskedEqual, true, true, 0, 0xff00000000).truth == Truth::kTrue);
  CHECK(Normalize(0, Operator::kMaskedEqual, true, true, 0x100000000, 0x1ffffffff).truth ==
        Truth::kFalse);
}

CLOISTER_TEST("the structure check objects to what the kernel would object to") {
  const Instruction allow{kReturn, 0, 0, kAllow};
  CHECK_EQ(CheckStructure({allow}), std::string());
  CHECK(!CheckStructure({}).empty());
  CHECK(!CheckStructure({{kLoadWord, 0, 0, 0}}).empty());
  CHECK(!CheckStructure({{kLoadWord, 0, 0, 64}, allow}).empty());
  CHECK(!CheckStructure({{kLoadWord, 0, 0, 2}, allow}).empty());
  CHECK(!CheckStructure({{kJumpEqual, 1, 0, 0}, allow}).empty());
  CHECK(!CheckStructure({{kJumpEqual, 0, 1, 0}, allow}).empty());
  CHECK(!CheckStructure({{kJumpAlways, 0, 0, 1}, allow}).empty());
  CHECK(!CheckStructure({{kReturn, 0, 0, kAllow | 1}}).empty());
  CHECK(!CheckStructure({{0x87, 0, 0, 0}, allow}).empty());
  CHECK(!CheckStructure(std::vector<Instruction>(kMaxInstructions + 1, allow)).empty());
}

CLOISTER_TEST("a program that was never checked runs to an end and reads no other memory") {
  std::mt19937 random(11);
  for (int i = 0; i < 20'000; ++i) {
    std::vector<Instruction> program(1 + random() % 20);
    for (Instruction& instruction : program) {
      const std::uint16_t codes[] = {kLoadWord,
                                     kAndConstant,
                                     kJumpAlways,
                                     kJumpEqual,
                                     kJumpAtLeast,
                                     kReturn,
                                     static_cast<std::uint16_t>(random())};
      instruction = {codes[random() % std::size(codes)], static_cast<std::uint8_t>(random()),
                     static_cast<std::uint8_t>(random()), static_cast<std::uint32_t>(random())};
    }
    CHECK(Run(program, {1, kAuditX8664, 0, {}}).executed <= program.size());
    (void)IsConstantAllow(program, 1, kAuditX8664);
  }
}

CLOISTER_TEST("only what number and architecture decide is constant") {
  const std::vector<Instruction> by_number{{kLoadWord, 0, 0, 0},
                                           {kJumpEqual, 0, 1, 5},
                                           {kReturn, 0, 0, kAllow},
                                           {kReturn, 0, 0, kEperm}};
  CHECK(IsConstantAllow(by_number, 5, kAuditX8664));
  CHECK(!IsConstantAllow(by_number, 6, kAuditX8664));
  std::vector<Instruction> by_argument = by_number;
  by_argument[0].k = 16;
  CHECK(!IsConstantAllow(by_argument, 5, kAuditX8664));
}

CLOISTER_TEST("two ranges of one argument that libseccomp confuses") {
  const auto program = MustCompile(Single(OneArch(
      Arch::kX8664, {{kAllow, false, {101}, {Wide(Operator::kLess, 5)}},
                     {kAllow, false, {101}, {Wide(Operator::kGreaterOrEqual, 0x1ffffffff)}}})));
  CHECK_EQ(Ask(program, 101, 4), kAllow);
  CHECK_EQ(Ask(program, 101, 5), kEperm);
  CHECK_EQ(Ask(program, 101, 0x1ffffffff), kAllow);
}

CLOISTER_TEST("rules that are far more than a jump reaches apart") {
  std::vector<Rule> rules;
  for (std::uint32_t nr = 0; nr < 300; ++nr) {
    rules.push_back(
        {kErrno | (1 + nr), false, {nr}, {Wide(Operator::kEqual, 0x100000000ULL + nr * 7)}});
  }
  const auto program = MustCompile(Single(OneArch(Arch::kX8664, rules, kAllow)));
  CHECK(program.size() > 900);
  for (std::uint32_t nr = 0; nr < 300; ++nr) {
    CHECK_EQ(Ask(program, nr, 0x100000000ULL + nr * 7), kErrno | (1 + nr));
    CHECK_EQ(Ask(program, nr, nr * 7), kAllow);
  }
}

CLOISTER_TEST("rules that cannot be merged fall back on a chain, which is right too") {
  std::mt19937 random(3);
  std::vector<Rule> rules;
  for (int i = 0; i < 150; ++i) {
    Rule rule{i % 2 == 0 ? kAllow : kErrno | 9, i % 10 == 9, {10}, {}};
    for (std::uint8_t argument = 0; argument < 6; ++argument) {
      if (random() % 2 == 0) {
        rule.conditions.push_back(Normalize(argument, Operator::kMaskedEqual, true, false, 0,
                                            1ULL << (random() % 64) | 1ULL << (random() % 64))
                                      .condition);
      }
    }
    rules.push_back(rule);
  }
  const Request request = Single(OneArch(Arch::kX8664, rules));
  const auto program = MustCompile(request);
  const CallRules reference(request.policies, kAuditX8664, 10);
  for (int i = 0; i < 50'000; ++i) {
    CallData call{10, kAuditX8664, 0, {}};
    for (std::uint64_t& argument : call.args) {
      argument = std::uint64_t{random()} << 32 | random();
      argument &= std::uint64_t{random()} << 32 | random();
      argument &= std::uint64_t{random()} << 32 | random();
    }
    REQUIRE(Run(program, call).answer == reference.Answer(call));
  }
}

CLOISTER_TEST("chains of several policies with limits answer as their rules do") {
  std::mt19937 random(13);
  Request request;
  for (std::uint32_t p = 0; p < 3; ++p) {
    std::vector<Rule> rules;
    for (std::uint32_t i = 0; i < 40; ++i) {
      Rule rule{i % 4 == 3 ? kLog : kErrno | (1 + 100 * p + i), i % 5 == 4, {10}, {}};
      for (std::uint8_t argument = 0; argument < 6; ++argument) {
        const std::uint64_t mask = 1ULL << (random() % 64) | 1ULL << (random() % 64);
        if (random() % 2 == 0) {
          rule.conditions.push_back(
              Normalize(argument, Operator::kMaskedEqual, true, false, 0, mask).condition);
        }
      }
      rules.push_back(rule);
    }
    request.policies.push_back(OneArch(Arch::kX8664, std::move(rules), p == 1 ? kTrap : kAllow));
  }
  const auto result = CompileUnchecked(request);
  if (const auto* program = std::get_if<std::vector<Instruction>>(&result); program != nullptr) {
    CHECK_EQ(Validate(request, *program), std::string());
  } else {
    CHECK(std::get<Error>(result).kind == ErrorKind::kTooLong);
  }
  for (Policy& policy : request.policies) {
    policy.architectures.front().rules.resize(6);
  }
  CHECK(!MustCompile(request).empty());
}

CLOISTER_TEST("random policies, merged, answer as their rules do") {
  std::mt19937 random(5);
  for (int i = 0; i < 1500; ++i) {
    Request request;
    for (std::size_t p = 1 + random() % 3; p > 0; --p) {
      std::vector<Rule> rules;
      for (std::size_t r = random() % 9; r > 0; --r) {
        rules.push_back(RandomRule(random, {static_cast<std::uint32_t>(random() % 4)}, 3));
      }
      request.policies.push_back(
          OneArch(Arch::kX8664, std::move(rules), random() % 2 == 0 ? kAllow : kEperm));
    }
    REQUIRE(!MustCompile(request).empty());
  }
}

CLOISTER_TEST("a program that differs from its policy is not handed out") {
  std::mt19937 random(9);
  int changed = 0;
  int unnoticed = 0;
  for (int i = 0; i < 200; ++i) {
    std::vector<Rule> rules;
    for (std::size_t r = 2 + random() % 4; r > 0; --r) {
      rules.push_back(RandomRule(random, {static_cast<std::uint32_t>(random() % 3)}, 2));
    }
    const Request request = Single(OneArch(Arch::kX8664, std::move(rules)));
    const auto program = MustCompile(request);
    for (std::size_t at = 0; at < program.size(); ++at) {
      auto wrong = program;
      if (wrong[at].code == kReturn) {
        wrong[at].k = wrong[at].k == kAllow ? kLog : kAllow;
      } else if (wrong[at].code == kJumpEqual || wrong[at].code == kJumpAtLeast ||
                 wrong[at].code == kJumpAnyBit) {
        std::swap(wrong[at].jt, wrong[at].jf);
      } else {
        continue;
      }
      ++changed;
      if (!Validate(request, wrong).empty()) {
        continue;
      }
      // Then the change must make no difference: it stands where no call can come.
      ++unnoticed;
      for (int call = 0; call < 50'000; ++call) {
        const CallData data = RandomCall(random);
        REQUIRE(Run(wrong, data).answer == Run(program, data).answer);
      }
    }
  }
  CHECK(changed > 1000);
  CHECK(unnoticed * 100 < changed);
}

CLOISTER_TEST("a request is refused at any cut and any wrong word") {
  const std::vector<std::uint32_t> words{kRequestVersion,
                                         0,
                                         0,
                                         1,
                                         kEperm,
                                         kKillProcess,
                                         kEperm,
                                         1,
                                         0,
                                         1,
                                         0,
                                         10,
                                         1,
                                         kAllow,
                                         0,
                                         1,
                                         5,
                                         1,
                                         0,
                                         0,
                                         1,
                                         7,
                                         0,
                                         0,
                                         0};
  const auto decode = [](const std::vector<std::uint32_t>& request, std::size_t size) {
    return DecodeRequest(reinterpret_cast<const std::uint8_t*>(request.data()), size);
  };
  const std::size_t size = words.size() * 4;
  CHECK(decode(words, size).has_value());
  for (std::size_t cut = 0; cut < size; ++cut) {
    CHECK(!decode(words, cut).has_value());
  }
  auto longer = words;
  longer.push_back(0);
  CHECK(!decode(longer, size + 4).has_value());
  for (const auto& [index, value] : {std::pair<std::size_t, std::uint32_t>{0, 2},
                                     {3, 0},
                                     {3, 17},
                                     {4, 0x7fff0001},
                                     {7, 0},
                                     {8, 6},
                                     {9, 0xffffffff},
                                     {10, 11},
                                     {13, 1},
                                     {14, 2},
                                     {16, 0x40000000},
                                     {18, 6},
                                     {19, 7},
                                     {20, 2}}) {
    auto wrong = words;
    wrong[index] = value;
    CHECK(!decode(wrong, size).has_value());
  }
}

}  // namespace
