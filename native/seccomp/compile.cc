#include "native/seccomp/compile.h"

#include <string>

#include "native/seccomp/argument_tree.h"
#include "native/seccomp/graph.h"
#include "native/seccomp/layout.h"
#include "native/seccomp/numbers.h"

namespace cloister::seccomp {
namespace {

Error TooLong(const std::string& length) {
  return {ErrorKind::kTooLong,
          length + " instructions; the kernel takes " + std::to_string(kMaxInstructions)};
}

}  // namespace

std::variant<std::vector<Instruction>, Error> CompileUnchecked(const Request& request) {
  Graph graph;
  ArgumentTree arguments(graph);
  std::uint32_t foreign = kAllow;
  for (const Policy& policy : request.policies) {
    foreign = Strictest(foreign, policy.foreign_answer);
  }
  // The architecture is looked at first: a number means nothing without it.
  NodeId root = graph.Answer(foreign);
  const std::vector<std::uint32_t> audits = AuditArchs(request.policies);
  for (std::size_t i = audits.size(); i-- > 0;) {
    const std::optional<NodeId> tree = NumberTree(request, audits[i], graph, arguments);
    if (!tree.has_value()) {
      return TooLong("far more than " + std::to_string(kMaxInstructions));
    }
    root = graph.Test(NodeKind::kEqual, {kOffsetArch}, audits[i], *tree, root);
  }
  std::vector<Instruction> program = Emit(graph, root);
  if (program.size() > kMaxInstructions) {
    return TooLong("more than " + std::to_string(kMaxInstructions));
  }
  return program;
}

std::variant<std::vector<Instruction>, Error> Compile(const Request& request) {
  std::variant<std::vector<Instruction>, Error> result = CompileUnchecked(request);
  if (const auto* program = std::get_if<std::vector<Instruction>>(&result); program != nullptr) {
    if (const std::string problem = Validate(request, *program); !problem.empty()) {
      return Error{ErrorKind::kInternal, problem};
    }
  }
  return result;
}

}  // namespace cloister::seccomp
