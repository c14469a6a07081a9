#include "native/seccomp/graph.h"

#include <utility>

namespace cloister::seccomp {

std::size_t Graph::Hash::operator()(const Node& node) const {
  std::uint64_t mixed = 0x9e3779b97f4a7c15ULL;
  for (const std::uint32_t part : {static_cast<std::uint32_t>(node.kind), node.subject.offset,
                                   node.subject.mask, node.value, node.then, node.otherwise}) {
    mixed = (mixed ^ part) * 0xff51afd7ed558ccdULL;
    mixed ^= mixed >> 29;
  }
  return static_cast<std::size_t>(mixed);
}

NodeId Graph::Intern(const Node& node) {
  const auto [place, added] = ids_.try_emplace(node, static_cast<NodeId>(nodes_.size()));
  if (added) {
    nodes_.push_back(node);
  }
  return place->second;
}

NodeId Graph::Answer(std::uint32_t answer) {
  return Intern({NodeKind::kAnswer, {0, 0}, answer, 0, 0});
}

NodeId Graph::Test(NodeKind kind, Subject subject, std::uint32_t value, NodeId then,
                   NodeId otherwise) {
  if (then == otherwise) {
    return then;
  }
  if (kind == NodeKind::kAnyBit) {
    // "Any of these bits, or else any of those" is one question.
    const Node& next = nodes_[otherwise];
    if (next.kind == NodeKind::kAnyBit && next.subject == subject && next.then == then) {
      return Test(kind, subject, value | next.value, then, next.otherwise);
    }
  }
  return Intern({kind, subject, value, then, otherwise});
}

NodeId Graph::StripX32(NodeId then) {
  return Intern({NodeKind::kStripX32, {0, kAllBits}, 0, then, then});
}

NodeId Graph::Adopt(const Graph& other, NodeId root) {
  std::unordered_map<NodeId, NodeId> own;
  for (const NodeId id : other.Below({root})) {
    const Node& node = other.At(id);
    switch (node.kind) {
      case NodeKind::kAnswer:
        own[id] = Answer(node.value);
        break;
      case NodeKind::kStripX32:
        own[id] = StripX32(own[node.then]);
        break;
      case NodeKind::kEqual:
      case NodeKind::kAtLeast:
      case NodeKind::kAnyBit:
        own[id] = Test(node.kind, node.subject, node.value, own[node.then], own[node.otherwise]);
        break;
    }
  }
  return own[root];
}

std::vector<NodeId> Graph::Below(const std::vector<NodeId>& roots) const {
  std::vector<NodeId> order;
  std::vector<bool> entered(nodes_.size(), false);
  // A stack of our own: a chain of tests may be longer than a thread's stack is deep.
  std::vector<std::pair<NodeId, bool>> stack;
  for (const NodeId root : roots) {
    stack.emplace_back(root, false);
    while (!stack.empty()) {
      const auto [id, done] = stack.back();
      stack.pop_back();
      if (done) {
        order.push_back(id);
        continue;
      }
      if (entered[id]) {
        continue;
      }
      entered[id] = true;
      stack.emplace_back(id, true);
      if (!IsAnswer(id)) {
        stack.emplace_back(nodes_[id].then, false);
        stack.emplace_back(nodes_[id].otherwise, false);
      }
    }
  }
  return order;
}

}  // namespace cloister::seccomp
