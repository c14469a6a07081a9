#include "native/violations/descriptions.h"

#include <utility>

#include "native/base/bytes.h"
#include "native/linux/text.h"

namespace cloister::violations {

namespace {

bool Holds(const Condition& condition, const std::uint64_t* args) noexcept {
  const std::uint64_t width = condition.wide ? ~std::uint64_t{0} : 0xffffffffU;
  const std::uint64_t argument = args[condition.index % 6] & width;
  const std::uint64_t value = condition.value & width;
  switch (condition.comparison) {
    case Comparison::kEqual:
      return argument == value;
    case Comparison::kNotEqual:
      return argument != value;
    case Comparison::kLess:
      return argument < value;
    case Comparison::kLessOrEqual:
      return argument <= value;
    case Comparison::kGreater:
      return argument > value;
    case Comparison::kGreaterOrEqual:
      return argument >= value;
    default:
      return (argument & condition.mask & width) == value;
  }
}

bool Allows(const Allowance& allowance, const RefusedCall& call) noexcept {
  if (allowance.number != call.number) {
    return false;
  }
  for (const Condition& condition : allowance.conditions) {
    if (!Holds(condition, call.args)) {
      return false;
    }
  }
  return true;
}

const char* NameOf(const Descriptions& descriptions, const RefusedCall& call) noexcept {
  for (const NamedCall& named : descriptions.calls) {
    if (call.native && named.number == call.number) {
      return named.name.c_str();
    }
  }
  return nullptr;
}

const Allowance* FindAllowance(const Descriptions& descriptions, const RefusedCall& call) noexcept {
  for (const Allowance& allowance : descriptions.allowances) {
    if (call.native && Allows(allowance, call)) {
      return &allowance;
    }
  }
  return nullptr;
}

}  // namespace

std::optional<Descriptions> DecodeDescriptions(std::span<const std::uint8_t> bytes) {
  ByteReader reader(bytes.data(), bytes.size());
  Descriptions result;
  const std::uint32_t calls = reader.Count(9);
  for (std::uint32_t i = 0; i < calls && reader.Ok(); ++i) {
    const std::uint32_t number = reader.U32();
    result.calls.push_back({number, reader.Text()});
  }
  const std::uint32_t promises = reader.Count(5);
  for (std::uint32_t i = 0; i < promises && reader.Ok(); ++i) {
    result.promises.emplace_back(reader.Text());
  }
  const std::uint32_t allowances = reader.Count(12);
  for (std::uint32_t i = 0; i < allowances && reader.Ok(); ++i) {
    Allowance allowance = {reader.U32(), reader.U32(), {}};
    const std::uint32_t conditions = reader.Count(28);
    for (std::uint32_t j = 0; j < conditions && reader.Ok(); ++j) {
      const std::uint32_t index = reader.U32();
      const auto comparison = static_cast<Comparison>(reader.U32());
      const bool wide = reader.Flag();
      const std::uint64_t value = reader.U64();
      allowance.conditions.push_back({index, comparison, wide, value, reader.U64()});
    }
    result.allowances.push_back(std::move(allowance));
  }
  if (!reader.Ok() || reader.Remaining() != 0) {
    return std::nullopt;
  }
  return result;
}

std::size_t DescribeCall(const Descriptions& descriptions, const RefusedCall& call, char* line,
                         std::size_t size) noexcept {
  TextBuffer<480> text;
  text.Add("cloister: system call ");
  const char* name = NameOf(descriptions, call);
  if (name != nullptr) {
    text.Add(name);
  } else {
    text.Add("number ").Add(call.number).Add(call.native ? "" : " of another architecture");
  }
  text.Add("(");
  for (int i = 0; i < 6; ++i) {
    text.Add(i == 0 ? "0x" : ", 0x").Add(call.args[i], 16);
  }
  text.Add(") is not allowed");
  const Allowance* found = FindAllowance(descriptions, call);
  if (found != nullptr && found->promise < descriptions.promises.size()) {
    text.Add("; the promise '")
        .Add(descriptions.promises[found->promise].c_str())
        .Add("' would allow it");
  } else if (!descriptions.promises.empty()) {
    text.Add("; no promise allows it");
  }
  text.Add(" (").Add(call.id_kind).Add(" ").Add(static_cast<std::uint64_t>(call.id)).Add(")\n");
  CopyText(line, size, text.Text());
  return text.Length() < size ? text.Length() : size - 1;
}

}  // namespace cloister::violations
