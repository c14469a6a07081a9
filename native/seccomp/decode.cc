#include "native/seccomp/decode.h"

#include <algorithm>
#include <utility>

#include "native/base/bytes.h"
#include "native/seccomp/condition.h"

namespace cloister::seccomp {
namespace {

constexpr std::uint32_t kMostPolicies = 16;

// Smallest sizes in bytes of what is counted, so that a count cannot promise more than there is.
constexpr std::size_t kWordSize = 4;
constexpr std::size_t kConditionSize = 28;
constexpr std::size_t kRuleSize = 16;
constexpr std::size_t kRangeSize = 8;
constexpr std::size_t kArchSize = 12;
constexpr std::size_t kPolicySize = 16;
constexpr std::size_t kWeightSize = 12;

Arch ReadArch(ByteReader& reader) {
  const std::uint32_t arch = reader.U32();
  if (arch >= kArchCount) {
    reader.Fail();
    return Arch::kX8664;
  }
  return static_cast<Arch>(arch);
}

std::uint32_t ReadAnswer(ByteReader& reader) {
  const std::uint32_t answer = reader.U32();
  if (!IsValidAnswer(answer)) {
    reader.Fail();
  }
  return answer;
}

// Appends the condition unless it always holds. False when it never does.
bool ReadCondition(ByteReader& reader, bool short_registers, std::vector<Condition>& conditions) {
  const std::uint32_t index = reader.U32();
  const std::uint32_t op = reader.U32();
  const bool wide = reader.Flag();
  const std::uint64_t value = reader.U64();
  const std::uint64_t mask = reader.U64();
  if (index >= 6 || op > static_cast<std::uint32_t>(Operator::kMaskedEqual) ||
      (!wide && ((value | mask) >> 32) != 0)) {
    reader.Fail();
    return false;
  }
  const Residue residue = Normalize(static_cast<std::uint8_t>(index), static_cast<Operator>(op),
                                    wide, short_registers, value, mask);
  if (residue.truth == Truth::kOpen) {
    conditions.push_back(residue.condition);
  }
  return residue.truth != Truth::kFalse;
}

void ReadRule(ByteReader& reader, ArchPolicy& section) {
  Rule rule{};
  rule.answer = ReadAnswer(reader);
  rule.limit = reader.Flag();
  const std::uint32_t numbers = reader.Count(kWordSize);
  for (std::uint32_t i = 0; i < numbers && reader.Ok(); ++i) {
    rule.numbers.push_back(reader.U32());
  }
  std::sort(rule.numbers.begin(), rule.numbers.end());
  rule.numbers.erase(std::unique(rule.numbers.begin(), rule.numbers.end()), rule.numbers.end());
  const std::uint32_t conditions = reader.Count(kConditionSize);
  bool possible = true;
  for (std::uint32_t i = 0; i < conditions && reader.Ok(); ++i) {
    possible = ReadCondition(reader, HasShortRegisters(AuditArch(section.arch)), rule.conditions) &&
               possible;
  }
  if (reader.Ok() && possible) {
    section.rules.push_back(std::move(rule));
  }
}

bool BelongsTo(Arch arch, std::uint32_t nr) {
  if (arch == Arch::kX8664) {
    return nr < kX32Bit || nr == kSkippedCall;
  }
  return arch != Arch::kX32 || nr >= kX32Bit;
}

ArchPolicy ReadArchPolicy(ByteReader& reader) {
  ArchPolicy section{};
  section.arch = ReadArch(reader);
  const std::uint32_t ranges = reader.Count(kRangeSize);
  std::uint64_t next = 0;
  for (std::uint32_t i = 0; i < ranges && reader.Ok(); ++i) {
    NumberRange range{};
    range.first = reader.U32();
    range.last = reader.U32();
    if (range.first < next || range.last < range.first || !BelongsTo(section.arch, range.first) ||
        !BelongsTo(section.arch, range.last)) {
      reader.Fail();
    }
    next = std::uint64_t{range.last} + 1;
    section.known.push_back(range);
  }
  const std::uint32_t rules = reader.Count(kRuleSize);
  for (std::uint32_t i = 0; i < rules && reader.Ok(); ++i) {
    ReadRule(reader, section);
  }
  for (const Rule& rule : section.rules) {
    for (const std::uint32_t nr : rule.numbers) {
      if (!BelongsTo(section.arch, nr)) {
        reader.Fail();
      }
    }
  }
  return section;
}

Policy ReadPolicy(ByteReader& reader) {
  Policy policy{};
  policy.default_answer = ReadAnswer(reader);
  policy.foreign_answer = ReadAnswer(reader);
  policy.unknown_answer = ReadAnswer(reader);
  const std::uint32_t count = reader.Count(kArchSize);
  if (count == 0 || count > kArchCount) {
    reader.Fail();
  }
  for (std::uint32_t i = 0; i < count && reader.Ok(); ++i) {
    ArchPolicy section = ReadArchPolicy(reader);
    for (const ArchPolicy& other : policy.architectures) {
      if (other.arch == section.arch) {
        reader.Fail();
      }
    }
    policy.architectures.push_back(std::move(section));
  }
  return policy;
}

}  // namespace

std::optional<Request> DecodeRequest(const std::uint8_t* data, std::size_t size) {
  ByteReader reader(data, size);
  Request request;
  if (reader.U32() != kRequestVersion) {
    return std::nullopt;
  }
  request.without_cache = reader.Flag();
  const std::uint32_t weights = reader.Count(kWeightSize);
  for (std::uint32_t i = 0; i < weights && reader.Ok(); ++i) {
    const Arch arch = ReadArch(reader);
    const std::uint32_t nr = reader.U32();
    request.weights.push_back({arch, nr, reader.U32()});
  }
  const std::uint32_t policies = reader.Count(kPolicySize);
  if (policies == 0 || policies > kMostPolicies) {
    return std::nullopt;
  }
  for (std::uint32_t i = 0; i < policies && reader.Ok(); ++i) {
    request.policies.push_back(ReadPolicy(reader));
  }
  if (!reader.Ok() || reader.Remaining() != 0) {
    return std::nullopt;
  }
  return request;
}

}  // namespace cloister::seccomp
