#include "native/seccomp/interval_tree.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace cloister::seccomp {
namespace {

// The search for the best tree is cubic in the number of pieces: more of them are first cut in
// halves of equal weight.
constexpr std::size_t kMostPieces = 160;
// Longer chains of tests for equality lose to a split, whatever the weights.
constexpr std::size_t kLongestChain = 12;

// One test for equality, or one for a set of values that a single JSET tells from all others.
struct Exception {
  bool many;
  std::uint32_t value;  // many: the bits that none of the values has
  NodeId goal;
  std::uint64_t weight;
  std::uint32_t order;  // position, to break ties the same way on every machine
};

struct Chain {
  bool possible = false;
  NodeId background = 0;
  std::uint64_t cost = 0;
  std::vector<Exception> exceptions;
};

std::vector<Piece> Joined(const std::vector<Piece>& pieces) {
  std::vector<Piece> joined;
  for (const Piece& piece : pieces) {
    if (!joined.empty() && joined.back().goal == piece.goal) {
      joined.back().last = piece.last;
      joined.back().weight += piece.weight;
      joined.back().single = false;
    } else {
      joined.push_back(piece);
    }
  }
  return joined;
}

// Values that are exactly the subsets of some bits, 0 among them, differ from all others in having
// none of the other bits: one JSET instead of a test for each. Docker's personality values 0, 8,
// 0x20000 and 0x20008 are such a set.
void JoinSubsets(std::vector<Exception>& exceptions) {
  for (std::size_t zero = 0; zero < exceptions.size(); ++zero) {
    if (exceptions[zero].many || exceptions[zero].value != 0) {
      continue;
    }
    const NodeId goal = exceptions[zero].goal;
    const auto has = [&](std::uint32_t value) {
      return std::any_of(exceptions.begin(), exceptions.end(), [&](const Exception& other) {
        return !other.many && other.goal == goal && other.value == value;
      });
    };
    std::vector<std::uint32_t> candidates;
    for (const Exception& other : exceptions) {
      if (!other.many && other.goal == goal && std::popcount(other.value) == 1) {
        candidates.push_back(other.value);
      }
    }
    std::sort(candidates.begin(), candidates.end());
    std::uint32_t bits = 0;
    for (const std::uint32_t bit : candidates) {
      bool complete = true;
      // Every subset of `bits`, the empty one included, together with the new bit.
      for (std::uint32_t subset = bits;; subset = (subset - 1) & bits) {
        complete = complete && has(subset | bit);
        if (subset == 0 || !complete) {
          break;
        }
      }
      bits |= complete ? bit : 0;
    }
    if (bits == 0) {
      return;
    }
    Exception joined{true, ~bits, goal, 0, exceptions[zero].order};
    std::erase_if(exceptions, [&](const Exception& other) {
      const bool inside = !other.many && other.goal == goal && (other.value & ~bits) == 0;
      joined.weight += inside ? other.weight : 0;
      return inside;
    });
    exceptions.push_back(joined);
    return;
  }
}

class Tree {
 public:
  Tree(Graph& graph, Subject subject, const std::vector<Piece>& pieces, std::uint64_t node_cost)
      : graph_(graph),
        subject_(subject),
        pieces_(pieces),
        node_cost_(node_cost),
        size_(pieces.size()) {
    best_.resize(size_ * size_);
    sums_.resize(size_ + 1, 0);
    for (std::size_t i = 0; i < size_; ++i) {
      sums_[i + 1] = sums_[i] + pieces_[i].weight;
    }
  }

  NodeId Build() {
    for (std::size_t length = 1; length <= size_; ++length) {
      for (std::size_t first = 0; first + length <= size_; ++first) {
        Solve(first, first + length - 1);
      }
    }
    return Emit(0, size_ - 1);
  }

 private:
  struct Best {
    std::uint64_t cost = 0;
    // The piece that starts the upper part; 0 for a chain, which no upper part can start with.
    std::size_t split = 0;
  };

  [[nodiscard]] std::uint64_t WeightOf(std::size_t first, std::size_t last) const {
    return sums_[last + 1] - sums_[first];
  }

  Best& At(std::size_t first, std::size_t last) { return best_[first * size_ + last]; }

  void Solve(std::size_t first, std::size_t last) {
    if (first == last) {
      return;
    }
    Best best{std::numeric_limits<std::uint64_t>::max(), 0};
    const std::uint64_t here = WeightOf(first, last) + node_cost_;
    for (std::size_t split = first + 1; split <= last; ++split) {
      const std::uint64_t cost = here + At(first, split - 1).cost + At(split, last).cost;
      if (cost < best.cost) {
        best = {cost, split};
      }
    }
    const Chain chain = ChainOf(first, last);
    if (chain.possible && chain.cost <= best.cost) {
      best = {chain.cost, 0};
    }
    At(first, last) = best;
  }

  // Tests for single values in front of one background goal. Only single values can be exceptions,
  // so any other piece is background.
  [[nodiscard]] Chain ChainOf(std::size_t first, std::size_t last) const {
    Chain chain;
    bool fixed = false;
    std::size_t singles = 0;
    for (std::size_t i = first; i <= last; ++i) {
      const Piece& piece = pieces_[i];
      if (!piece.single) {
        if (fixed && chain.background != piece.goal) {
          return chain;
        }
        chain.background = piece.goal;
        fixed = true;
      }
      singles += piece.single ? 1 : 0;
    }
    if (!fixed) {
      chain.background = MostCommonGoal(first, last);
    }
    if (singles > 2 * kLongestChain) {
      return chain;
    }
    std::uint64_t background_weight = 0;
    for (std::size_t i = first; i <= last; ++i) {
      const Piece& piece = pieces_[i];
      if (piece.goal == chain.background) {
        background_weight += piece.weight;
      } else {
        chain.exceptions.push_back(
            {false, piece.first, piece.goal, piece.weight, static_cast<std::uint32_t>(i)});
      }
    }
    // The set test looks at all bits: bits that the subject takes away must not count as "none of
    // the other bits".
    if (subject_.mask == kAllBits && chain.exceptions.size() > 1) {
      JoinSubsets(chain.exceptions);
    }
    if (chain.exceptions.size() > kLongestChain) {
      return chain;
    }
    std::sort(chain.exceptions.begin(), chain.exceptions.end(),
              [](const Exception& left, const Exception& right) {
                return left.weight != right.weight ? left.weight > right.weight
                                                   : left.order < right.order;
              });
    std::uint64_t depth = 0;
    for (const Exception& exception : chain.exceptions) {
      ++depth;
      chain.cost += depth * exception.weight + node_cost_;
    }
    chain.cost += depth * background_weight;
    chain.possible = true;
    return chain;
  }

  [[nodiscard]] NodeId MostCommonGoal(std::size_t first, std::size_t last) const {
    NodeId winner = pieces_[first].goal;
    std::size_t most = 0;
    for (std::size_t i = first; i <= last && last - first <= 2 * kLongestChain; ++i) {
      const auto same = [&](const Piece& piece) { return piece.goal == pieces_[i].goal; };
      const auto count = static_cast<std::size_t>(
          std::count_if(pieces_.begin() + static_cast<std::ptrdiff_t>(first),
                        pieces_.begin() + static_cast<std::ptrdiff_t>(last) + 1, same));
      if (count > most) {
        most = count;
        winner = pieces_[i].goal;
      }
    }
    return winner;
  }

  NodeId Emit(std::size_t first, std::size_t last) {
    if (first == last) {
      return pieces_[first].goal;
    }
    const Best best = At(first, last);
    if (best.split != 0) {
      const NodeId upper = Emit(best.split, last);
      const NodeId lower = Emit(first, best.split - 1);
      return graph_.Test(NodeKind::kAtLeast, subject_, pieces_[best.split].first, upper, lower);
    }
    const Chain chain = ChainOf(first, last);
    NodeId node = chain.background;
    for (std::size_t i = chain.exceptions.size(); i-- > 0;) {
      const Exception& exception = chain.exceptions[i];
      node = exception.many
                 ? graph_.Test(NodeKind::kAnyBit, subject_, exception.value, node, exception.goal)
                 : graph_.Test(NodeKind::kEqual, subject_, exception.value, exception.goal, node);
    }
    return node;
  }

  Graph& graph_;
  Subject subject_;
  const std::vector<Piece>& pieces_;
  std::uint64_t node_cost_;
  std::size_t size_;
  std::vector<Best> best_;
  std::vector<std::uint64_t> sums_;
};

}  // namespace

NodeId LowerPieces(Graph& graph, Subject subject, std::vector<Piece> pieces,
                   std::uint64_t node_cost) {
  pieces = Joined(pieces);
  if (pieces.size() <= kMostPieces) {
    return Tree(graph, subject, pieces, node_cost).Build();
  }
  std::uint64_t total = 0;
  for (const Piece& piece : pieces) {
    total += piece.weight;
  }
  std::size_t middle = 0;
  for (std::uint64_t below = 0; middle < pieces.size() && below < total / 2; ++middle) {
    below += pieces[middle].weight;
  }
  // Never far from the middle: the depth of this recursion is the logarithm of the number of
  // pieces.
  middle = std::clamp(middle, pieces.size() / 4, pieces.size() * 3 / 4);
  const auto cut = pieces.begin() + static_cast<std::ptrdiff_t>(middle);
  const std::uint32_t boundary = cut->first;
  const NodeId upper = LowerPieces(graph, subject, {cut, pieces.end()}, node_cost);
  const NodeId lower = LowerPieces(graph, subject, {pieces.begin(), cut}, node_cost);
  return graph.Test(NodeKind::kAtLeast, subject, boundary, upper, lower);
}

}  // namespace cloister::seccomp
