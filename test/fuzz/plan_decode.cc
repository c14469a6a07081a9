// Fuzz target: the bytes of a plan. A plan that is accepted is then read the way the stages read
// it.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "native/plan/decode.h"
#include "native/violations/descriptions.h"

namespace {

std::size_t g_read;

void Touch(const char* text) {
  g_read += text == nullptr ? 0 : std::strlen(text);
}

void TouchAll(const cloister::plan::Array<const char*>& texts) {
  for (std::size_t i = 0; i < texts.size; ++i) {
    Touch(texts[i]);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> memory(cloister::plan::ArenaSizeFor(size));
  cloister::plan::Arena arena(memory.data(), memory.size());
  cloister::plan::Plan plan;
  if (!cloister::plan::Decode(data, size, &arena, &plan)) {
    return 0;
  }
  for (std::size_t i = 0; i < plan.mounts.size; ++i) {
    const auto& op = plan.mounts[i];
    Touch(op.at.path);
    Touch(op.from.path);
    Touch(op.path);
    Touch(op.to);
    Touch(op.upper);
    Touch(op.work);
    TouchAll(op.lower);
    for (std::size_t byte = 0; byte < op.content_size; ++byte) {
      g_read += op.content[byte];
    }
  }
  for (std::size_t i = 0; i < plan.filter.size; ++i) {
    g_read += plan.filter[i].k;
  }
  TouchAll(plan.readable);
  static_cast<void>(
      cloister::violations::DecodeDescriptions({plan.descriptions.data, plan.descriptions.size}));
  TouchAll(plan.candidates);
  TouchAll(plan.argv);
  TouchAll(plan.environment);
  Touch(plan.hostname);
  Touch(plan.cwd);
  return 0;
}
