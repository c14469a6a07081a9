#include "native/seccomp/equality_chain.h"

#include <algorithm>
#include <bit>
#include <optional>

namespace cloister::seccomp {
namespace {

// Longer chains lose to a split, whatever the weights.
constexpr std::size_t kLongestChain = 12;

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
    Exception joined{true, ~bits, goal, 0, exceptions[zero].order, exceptions[zero].below};
    std::erase_if(exceptions, [&](const Exception& other) {
      const bool inside = !other.many && other.goal == goal && (other.value & ~bits) == 0;
      joined.weight += inside ? other.weight : 0;
      return inside;
    });
    exceptions.push_back(joined);
    return;
  }
}

NodeId MostCommonGoal(std::span<const Piece> pieces) {
  NodeId winner = pieces.front().goal;
  std::ptrdiff_t most = 0;
  for (const Piece& candidate : pieces) {
    const auto same = [&](const Piece& piece) { return piece.goal == candidate.goal; };
    const std::ptrdiff_t count = std::count_if(pieces.begin(), pieces.end(), same);
    if (count > most) {
      most = count;
      winner = candidate.goal;
    }
  }
  return winner;
}

// Only single values can be exceptions, so any other piece is background. Nothing where two such
// pieces have different goals, or where there are too many single values.
std::optional<NodeId> BackgroundOf(std::span<const Piece> pieces) {
  std::optional<NodeId> background;
  std::size_t singles = 0;
  for (const Piece& piece : pieces) {
    if (piece.single) {
      ++singles;
    } else if (background.value_or(piece.goal) != piece.goal) {
      return std::nullopt;
    } else {
      background = piece.goal;
    }
  }
  if (singles > 2 * kLongestChain) {
    return std::nullopt;
  }
  return background.has_value() ? background : MostCommonGoal(pieces);
}

}  // namespace

EqualityChain ChainFor(std::span<const Piece> pieces, Subject subject,
                       std::uint64_t instruction_cost) {
  EqualityChain chain;
  const std::optional<NodeId> background = BackgroundOf(pieces);
  if (!background.has_value()) {
    return chain;
  }
  chain.background = *background;
  std::uint64_t background_weight = 0;
  std::size_t below_background = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const Piece& piece = pieces[i];
    if (piece.goal == chain.background) {
      background_weight += piece.weight;
      below_background = piece.below;
    } else {
      chain.exceptions.push_back({false, piece.first, piece.goal, piece.weight,
                                  static_cast<std::uint32_t>(i), piece.below});
    }
  }
  // The set test looks at all bits: bits that the subject takes away must not count as "none of
  // the other bits".
  if (subject.mask == kAllBits && chain.exceptions.size() > 1) {
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
  std::size_t tests = 0;
  for (const Exception& exception : chain.exceptions) {
    ++tests;
    chain.cost += tests * exception.weight + instruction_cost;
    chain.depth = std::max(chain.depth, tests + exception.below);
  }
  chain.cost += tests * background_weight;
  chain.depth = std::max(chain.depth, tests + below_background);
  chain.possible = true;
  return chain;
}

NodeId Write(Graph& graph, Subject subject, const EqualityChain& chain) {
  NodeId node = chain.background;
  for (std::size_t i = chain.exceptions.size(); i-- > 0;) {
    const Exception& exception = chain.exceptions[i];
    node = exception.many
               ? graph.Test(NodeKind::kAnyBit, subject, exception.value, node, exception.goal)
               : graph.Test(NodeKind::kEqual, subject, exception.value, exception.goal, node);
  }
  return node;
}

}  // namespace cloister::seccomp
