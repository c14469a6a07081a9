#include "native/seccomp/interval_tree.h"

#include <algorithm>
#include <limits>
#include <span>
#include <unordered_map>

#include "native/seccomp/equality_chain.h"

namespace cloister::seccomp {
namespace {

// The search for the best tree is cubic in the number of pieces: more of them are first cut in
// halves of equal weight.
constexpr std::size_t kMostPieces = 160;
// Price::depth_parts counts in these.
constexpr std::uint64_t kParts = 1024;
constexpr std::uint64_t kImpossible = std::numeric_limits<std::uint64_t>::max();

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

class Tree {
 public:
  Tree(Graph& graph, Subject subject, const std::vector<Piece>& pieces, const Price& price)
      : graph_(graph),
        subject_(subject),
        pieces_(pieces),
        price_(price),
        size_(pieces.size()),
        best_(size_ * size_) {
    sums_.resize(size_ + 1, 0);
    for (std::size_t i = 0; i < size_; ++i) {
      sums_[i + 1] = sums_[i] + pieces_[i].weight;
    }
  }

  NodeId Build() {
    for (std::size_t length = 1; length <= size_; ++length) {
      for (std::size_t first = 0; first + length <= size_; ++first) {
        At(first, first + length - 1) = Cheapest(first, first + length - 1);
      }
    }
    Best root = At(0, size_ - 1);
    const std::uint64_t most = root.cost + root.cost * price_.depth_parts / kParts;
    while (price_.depth_parts > 0 && root.depth > 0) {
      const Best shallower = Within(0, size_ - 1, root.depth - 1, most);
      if (shallower.cost == kImpossible) {
        break;
      }
      root = shallower;
    }
    return Emit(0, size_ - 1, root);
  }

 private:
  struct Best {
    std::uint64_t cost = kImpossible;
    // Instructions on the longest way, those below the goals included.
    std::size_t depth = 0;
    // Of the shallowest tree, whatever it costs.
    std::size_t least_depth = 0;
    // The piece that starts the upper part; 0 for a chain, which no upper part can start with.
    std::size_t split = 0;
  };

  struct Shallow {
    Best best;
    // No tree costs this much or less, where there is no best.
    std::uint64_t searched = 0;
  };

  [[nodiscard]] std::uint64_t CostOfSplit(std::size_t first, std::size_t last) const {
    return sums_[last + 1] - sums_[first] + price_.instruction;
  }

  Best& At(std::size_t first, std::size_t last) { return best_[first * size_ + last]; }

  [[nodiscard]] EqualityChain ChainOf(std::size_t first, std::size_t last) const {
    return ChainFor(std::span(pieces_).subspan(first, last - first + 1), subject_,
                    price_.instruction);
  }

  // The tree of the least cost, of whatever depth.
  Best Cheapest(std::size_t first, std::size_t last) {
    if (first == last) {
      return {0, pieces_[first].below, pieces_[first].below, 0};
    }
    Best best;
    std::size_t least_depth = std::numeric_limits<std::size_t>::max();
    const std::uint64_t here = CostOfSplit(first, last);
    for (std::size_t split = first + 1; split <= last; ++split) {
      const Best& lower = At(first, split - 1);
      const Best& upper = At(split, last);
      const std::uint64_t cost = here + lower.cost + upper.cost;
      if (cost < best.cost) {
        best = {cost, 1 + std::max(lower.depth, upper.depth), 0, split};
      }
      least_depth = std::min(least_depth, 1 + std::max(lower.least_depth, upper.least_depth));
    }
    const EqualityChain chain = ChainOf(first, last);
    if (chain.possible && chain.cost <= best.cost) {
      best = {chain.cost, chain.depth, 0, 0};
    }
    best.least_depth = chain.possible ? std::min(least_depth, chain.depth) : least_depth;
    return best;
  }

  // The tree of the least cost among those that are not deeper and cost no more than `most`, if
  // there is one. As `most` is close to the least cost of any depth, few splits come into question.
  // The recursion is no deeper than `depth`.
  Best Within(std::size_t first, std::size_t last, std::size_t depth, std::uint64_t most) {
    const Best& cheapest = At(first, last);
    if (cheapest.cost > most) {
      return {};
    }
    if (cheapest.depth <= depth) {
      return cheapest;
    }
    if (cheapest.least_depth > depth) {
      return {};
    }
    Shallow& known = shallow_[(depth * size_ + first) * size_ + last];
    if (known.best.cost == kImpossible && known.searched < most) {
      const Best best = SearchWithin(first, last, depth, most);
      shallow_[(depth * size_ + first) * size_ + last] = {best, most};
      return best;
    }
    return known.best.cost <= most ? known.best : Best{};
  }

  Best SearchWithin(std::size_t first, std::size_t last, std::size_t depth, std::uint64_t most) {
    Best best;
    const std::uint64_t here = CostOfSplit(first, last);
    for (std::size_t split = first + 1; split <= last; ++split) {
      const std::uint64_t least_above = At(split, last).cost;
      if (here + At(first, split - 1).cost + least_above > most) {
        continue;
      }
      const Best lower = Within(first, split - 1, depth - 1, most - here - least_above);
      if (lower.cost == kImpossible) {
        continue;
      }
      const Best upper = Within(split, last, depth - 1, most - here - lower.cost);
      if (upper.cost != kImpossible && here + lower.cost + upper.cost < best.cost) {
        best = {here + lower.cost + upper.cost, 1 + std::max(lower.depth, upper.depth), 0, split};
        most = best.cost;
      }
    }
    const EqualityChain chain = ChainOf(first, last);
    if (chain.possible && chain.depth <= depth && chain.cost <= std::min(most, best.cost)) {
      best = {chain.cost, chain.depth, 0, 0};
    }
    return best;
  }

  NodeId Emit(std::size_t first, std::size_t last, const Best& best) {
    if (first == last) {
      return pieces_[first].goal;
    }
    if (best.split == 0) {
      return Write(graph_, subject_, ChainOf(first, last));
    }
    const std::size_t depth = best.depth - 1;
    const std::uint64_t rest = best.cost - CostOfSplit(first, last);
    const Best lower = Within(first, best.split - 1, depth, rest - At(best.split, last).cost);
    const Best upper = Within(best.split, last, depth, rest - lower.cost);
    const NodeId upper_root = Emit(best.split, last, upper);
    const NodeId lower_root = Emit(first, best.split - 1, lower);
    return graph_.Test(NodeKind::kAtLeast, subject_, pieces_[best.split].first, upper_root,
                       lower_root);
  }

  Graph& graph_;
  Subject subject_;
  const std::vector<Piece>& pieces_;
  Price price_;
  std::size_t size_;
  std::vector<Best> best_;
  // By depth and place: what Within has found.
  std::unordered_map<std::size_t, Shallow> shallow_;
  std::vector<std::uint64_t> sums_;
};

}  // namespace

NodeId LowerPieces(Graph& graph, Subject subject, std::vector<Piece> pieces, const Price& price) {
  pieces = Joined(pieces);
  if (pieces.size() <= kMostPieces) {
    return Tree(graph, subject, pieces, price).Build();
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
  const NodeId upper = LowerPieces(graph, subject, {cut, pieces.end()}, price);
  const NodeId lower = LowerPieces(graph, subject, {pieces.begin(), cut}, price);
  return graph.Test(NodeKind::kAtLeast, subject, boundary, upper, lower);
}

}  // namespace cloister::seccomp
