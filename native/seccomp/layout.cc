#include "native/seccomp/layout.h"

#include <algorithm>
#include <array>

namespace cloister::seccomp {
namespace {

// A program is written from its end to its beginning, so that what a jump leads to has its place
// before the jump is written. Places count from the end.
using Place = std::uint32_t;
constexpr Place kNowhere = 0xffffffffU;

struct Placed {
  // By Entry. For answers only the first.
  std::array<Place, 3> at{kNowhere, kNowhere, kNowhere};
};

std::uint16_t CodeOf(NodeKind kind) {
  switch (kind) {
    case NodeKind::kEqual:
      return kJumpEqual;
    case NodeKind::kAtLeast:
      return kJumpAtLeast;
    case NodeKind::kAnyBit:
      return kJumpAnyBit;
    case NodeKind::kAnswer:
    case NodeKind::kStripX32:
      break;
  }
  return kReturn;
}

constexpr Accumulator kNumberLoaded{true, {kOffsetNr}};

// Instructions on the longest way below a node, by Entry.
using Depth = std::array<std::size_t, 3>;

std::size_t DepthFrom(const Graph& graph, const std::vector<Depth>& depth, NodeId id,
                      const Accumulator& accumulator) {
  return depth[id][static_cast<std::size_t>(EntryFor(graph.At(id), accumulator))];
}

// `order` has every node behind its successors.
std::vector<Depth> Depths(const Graph& graph, const std::vector<NodeId>& order) {
  std::vector<Depth> depth(graph.Size());
  for (const NodeId id : order) {
    const Node& node = graph.At(id);
    if (node.kind == NodeKind::kAnswer) {
      continue;
    }
    const Accumulator after = AfterNode(node);
    const std::size_t test = 1 + std::max(DepthFrom(graph, depth, node.then, after),
                                          DepthFrom(graph, depth, node.otherwise, after));
    const std::size_t masks = node.subject.mask == kAllBits ? 0 : 1;
    depth[id] = {test, test + masks, test + masks + 1};
  }
  return depth;
}

std::vector<Entry> HighestEntries(const Graph& graph, const std::vector<NodeId>& order, NodeId root,
                                  const Accumulator& start) {
  std::vector<Entry> highest(graph.Size(), Entry::kTest);
  const auto enter = [&](NodeId id, const Accumulator& accumulator) {
    highest[id] = std::max(highest[id], EntryFor(graph.At(id), accumulator));
  };
  enter(root, start);
  for (const NodeId id : order) {
    const Node& node = graph.At(id);
    if (node.kind != NodeKind::kAnswer) {
      enter(node.then, AfterNode(node));
      enter(node.otherwise, AfterNode(node));
    }
  }
  return highest;
}

class Writer {
 public:
  Writer(const Graph& graph, NodeId root)
      : graph_(graph),
        order_(graph.Below({root})),
        highest_(HighestEntries(graph, order_, root, {})),
        placed_(graph.Size()) {}

  std::vector<Instruction> Write() {
    for (const NodeId id : order_) {
      if (reversed_.size() > kMaxInstructions) {
        break;
      }
      const Node& node = graph_.At(id);
      if (node.kind == NodeKind::kAnswer) {
        placed_[id].at[0] = Push({kReturn, 0, 0, node.value});
      } else if (node.kind == NodeKind::kStripX32) {
        WriteStrip(id, node);
      } else {
        WriteTest(id, node);
      }
    }
    return {reversed_.rbegin(), reversed_.rend()};
  }

 private:
  Place Push(Instruction instruction) {
    reversed_.push_back(instruction);
    return static_cast<Place>(reversed_.size() - 1);
  }

  [[nodiscard]] std::uint32_t DistanceTo(Place place) const {
    return static_cast<std::uint32_t>(reversed_.size()) - place - 1;
  }

  Place& PlaceOf(NodeId id, const Accumulator& accumulator) {
    return placed_[id].at[static_cast<std::size_t>(EntryFor(graph_.At(id), accumulator))];
  }

  // Puts a copy of an answer, or a jump without condition, where a conditional jump can reach it.
  // Nothing falls into it: every other instruction before it is a jump or an answer.
  void BringNear(NodeId id, Place& place) {
    const Node& node = graph_.At(id);
    place = node.kind == NodeKind::kAnswer ? Push({kReturn, 0, 0, node.value})
                                           : Push({kJumpAlways, 0, 0, DistanceTo(place)});
  }

  void WriteTest(NodeId id, const Node& node) {
    const Accumulator after = AfterNode(node);
    Place& then = PlaceOf(node.then, after);
    Place& otherwise = PlaceOf(node.otherwise, after);
    // Bringing one near moves the other away by one, so both are looked at again.
    while (DistanceTo(then) > kMaxJump || DistanceTo(otherwise) > kMaxJump) {
      if (DistanceTo(then) > kMaxJump) {
        BringNear(node.then, then);
      } else {
        BringNear(node.otherwise, otherwise);
      }
    }
    std::array<Place, 3>& at = placed_[id].at;
    at[0] = Push({CodeOf(node.kind), static_cast<std::uint8_t>(DistanceTo(then)),
                  static_cast<std::uint8_t>(DistanceTo(otherwise)), node.value});
    if (node.subject.mask != kAllBits && highest_[id] >= Entry::kMask) {
      at[1] = Push({kAndConstant, 0, 0, node.subject.mask});
    }
    if (highest_[id] >= Entry::kLoad) {
      at[2] = Push({kLoadWord, 0, 0, node.subject.offset});
    }
  }

  void WriteStrip(NodeId id, const Node& node) {
    const Place target = PlaceOf(node.then, AfterNode(node));
    if (DistanceTo(target) != 0) {
      Push({kJumpAlways, 0, 0, DistanceTo(target)});
    }
    placed_[id].at[0] = Push({kAndConstant, 0, 0, ~0x40000000U});
  }

  const Graph& graph_;
  std::vector<NodeId> order_;
  std::vector<Entry> highest_;
  std::vector<Placed> placed_;
  std::vector<Instruction> reversed_;
};

}  // namespace

Entry EntryFor(const Node& node, const Accumulator& accumulator) {
  if (node.kind == NodeKind::kAnswer || node.kind == NodeKind::kStripX32) {
    return Entry::kTest;
  }
  if (accumulator.known && accumulator.subject == node.subject) {
    return Entry::kTest;
  }
  if (accumulator.known && accumulator.subject.offset == node.subject.offset &&
      accumulator.subject.mask == kAllBits) {
    return Entry::kMask;
  }
  return Entry::kLoad;
}

Accumulator AfterNode(const Node& node) {
  return node.kind == NodeKind::kStripX32 ? Accumulator{true, {kOffsetNr}}
                                          : Accumulator{true, node.subject};
}

ProgramShape Measure(const Graph& graph, NodeId root) {
  const std::vector<NodeId> order = graph.Below({root});
  const std::vector<Entry> highest = HighestEntries(graph, order, root, kNumberLoaded);
  ProgramShape shape;
  const std::vector<Depth> depth = Depths(graph, order);
  std::vector<std::array<std::uint64_t, 3>> mean(graph.Size());
  constexpr std::uint64_t kOne = 1024;
  for (const NodeId id : order) {
    const Node& node = graph.At(id);
    if (node.kind == NodeKind::kAnswer) {
      continue;
    }
    const auto entry = [&](NodeId next) {
      return static_cast<std::size_t>(EntryFor(graph.At(next), AfterNode(node)));
    };
    const std::size_t masks = node.subject.mask == kAllBits ? 0 : 1;
    const std::size_t then = entry(node.then);
    const std::size_t otherwise = entry(node.otherwise);
    const std::uint64_t met = kOne + (mean[node.then][then] + mean[node.otherwise][otherwise]) / 2;
    mean[id] = {met, met + masks * kOne, met + (masks + 1) * kOne};
    shape.instructions +=
        1 + (highest[id] >= Entry::kMask ? masks : 0) + (highest[id] == Entry::kLoad ? 1 : 0);
  }
  shape.depth = DepthFrom(graph, depth, root, kNumberLoaded);
  shape.mean = mean[root][static_cast<std::size_t>(EntryFor(graph.At(root), kNumberLoaded))];
  return shape;
}

std::vector<std::size_t> LongestWays(const Graph& graph, const std::vector<NodeId>& roots) {
  const std::vector<Depth> depth = Depths(graph, graph.Below(roots));
  std::vector<std::size_t> longest;
  longest.reserve(roots.size());
  for (const NodeId root : roots) {
    longest.push_back(DepthFrom(graph, depth, root, kNumberLoaded));
  }
  return longest;
}

std::vector<Instruction> Emit(const Graph& graph, NodeId root) {
  return Writer(graph, root).Write();
}

}  // namespace cloister::seccomp
