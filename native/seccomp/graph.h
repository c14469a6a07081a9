// The decision graph: tests of 32-bit words, ending in answers. Equal nodes exist once, across all
// system calls and architectures.

#ifndef CLOISTER_SECCOMP_GRAPH_H_
#define CLOISTER_SECCOMP_GRAPH_H_

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace cloister::seccomp {

using NodeId = std::uint32_t;

inline constexpr std::uint32_t kAllBits = 0xffffffffU;

// What a test looks at: the word at an offset of seccomp_data, some bits of it taken away first.
struct Subject {
  std::uint32_t offset;
  std::uint32_t mask = kAllBits;

  bool operator==(const Subject&) const = default;
};

enum class NodeKind : std::uint8_t {
  kAnswer,   // value
  kEqual,    // subject == value
  kAtLeast,  // subject >= value, unsigned
  kAnyBit,   // (subject & value) != 0
  // Takes the x32 bit off the number in the accumulator and goes on at `then` as if x86_64's number
  // had been loaded.
  kStripX32,
};

struct Node {
  NodeKind kind;
  Subject subject;
  std::uint32_t value;
  NodeId then;
  NodeId otherwise;

  bool operator==(const Node&) const = default;
};

class Graph {
 public:
  [[nodiscard]] NodeId Answer(std::uint32_t answer);
  // A test whose outcomes are the same is no test: the result is that outcome.
  [[nodiscard]] NodeId Test(NodeKind kind, Subject subject, std::uint32_t value, NodeId then,
                            NodeId otherwise);
  [[nodiscard]] NodeId StripX32(NodeId then);
  // The same decisions as below a node of another graph.
  [[nodiscard]] NodeId Adopt(const Graph& other, NodeId root);

  [[nodiscard]] const Node& At(NodeId id) const { return nodes_[id]; }
  [[nodiscard]] std::size_t Size() const { return nodes_.size(); }
  [[nodiscard]] bool IsAnswer(NodeId id) const { return nodes_[id].kind == NodeKind::kAnswer; }

  // The nodes that can be reached from the roots, each after both of its successors.
  [[nodiscard]] std::vector<NodeId> Below(const std::vector<NodeId>& roots) const;

 private:
  struct Hash {
    std::size_t operator()(const Node& node) const;
  };

  NodeId Intern(const Node& node);

  std::vector<Node> nodes_;
  std::unordered_map<Node, NodeId, Hash> ids_;
};

}  // namespace cloister::seccomp

#endif  // CLOISTER_SECCOMP_GRAPH_H_
