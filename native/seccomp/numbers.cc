#include "native/seccomp/numbers.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "native/seccomp/interval_tree.h"
#include "native/seccomp/layout.h"

namespace cloister::seccomp {
namespace {

// What is made small: the instructions executed on average over all numbers, over the calls of the
// profile, and over all pieces alike (which keeps ways from becoming long), plus the length. Parts
// of a million; whole numbers, so that every machine comes to the same tree. The shares were found
// by search over the policies of bench/seccomp.
constexpr std::uint64_t kNumberShare = 465'000;
constexpr std::uint64_t kProfileShare = 410'000;
constexpr std::uint64_t kPieceShare = 125'000;
// A hostile caller can choose the longest way: making it shorter may cost a sixty-fourth.
constexpr Price kPrice{.instruction = 15'000, .depth_parts = 16};
// The kernel answers calls that are always allowed from its cache: their share of the profile
// counts for an eighth.
constexpr std::uint64_t kCacheDivisor = 8;

// Numbers of one section and what its rules say of them.
using RulesByNumber = std::unordered_map<std::uint32_t, std::vector<const Rule*>>;

class NumberMap {
 public:
  NumberMap(const Request& request, std::uint32_t audit, Graph& graph, ArgumentTree& arguments)
      : request_(request), audit_(audit), graph_(graph), arguments_(arguments) {
    for (const Policy& policy : request.policies) {
      for (const ArchPolicy& section : policy.architectures) {
        if (AuditArch(section.arch) != audit) {
          continue;
        }
        RulesByNumber& rules = rules_[&section];
        for (const Rule& rule : section.rules) {
          for (const std::uint32_t nr : rule.numbers) {
            rules[nr].push_back(&rule);
          }
        }
      }
    }
  }

  std::optional<NodeId> Build() {
    const std::vector<std::uint32_t> starts = RunStarts(request_.policies, audit_);
    for (std::size_t i = 0; i < starts.size(); ++i) {
      const std::optional<NodeId> goal = Goal(starts[i]);
      if (!goal.has_value()) {
        return std::nullopt;
      }
      const std::uint32_t last = i + 1 < starts.size() ? starts[i + 1] - 1 : kAllBits;
      pieces_.push_back({starts[i], last, *goal, 0, starts[i] == last});
    }
    if (audit_ != kAuditX8664) {
      Weigh(pieces_);
      return LowerPieces(graph_, kNumber, pieces_, kPrice);
    }
    return BuildX8664();
  }

 private:
  static constexpr Subject kNumber{kOffsetNr};

  std::optional<NodeId> Goal(std::uint32_t nr) {
    std::vector<OpenPolicy> state;
    for (std::uint32_t owner = 0; owner < request_.policies.size(); ++owner) {
      const Policy& policy = request_.policies[owner];
      const ArchPolicy* section = policy.Find(audit_, nr);
      if (section == nullptr) {
        state.push_back({{}, {policy.foreign_answer, owner}});
        continue;
      }
      OpenPolicy open{{},
                      {section->Knows(nr) ? policy.default_answer : policy.unknown_answer, owner}};
      const RulesByNumber& rules = rules_[section];
      if (const auto found = rules.find(nr); found != rules.end()) {
        for (const Rule* rule : found->second) {
          open.rules.push_back({{rule->answer, owner}, rule->limit, rule->conditions});
        }
      }
      state.push_back(std::move(open));
    }
    return arguments_.Build(std::move(state));
  }

  // x32 shares seccomp_data.arch with x86_64, its numbers begin at bit 30.
  NodeId BuildX8664() {
    const auto border = std::find_if(pieces_.begin(), pieces_.end(),
                                     [](const Piece& piece) { return piece.first == kX32Bit; });
    const bool uniform = std::all_of(border, pieces_.end(), [&](const Piece& piece) {
      return piece.first == kSkippedCall || piece.goal == border->goal;
    });
    if (uniform) {
      Weigh(pieces_);
      return LowerPieces(graph_, kNumber, pieces_, kPrice);
    }
    std::vector<Piece> lower(pieces_.begin(), border);
    std::vector<Piece> upper(border, pieces_.end());
    lower.back().last = kAllBits;
    Weigh(lower);
    const NodeId lower_root = LowerPieces(graph_, kNumber, lower, kPrice);
    if (!graph_.IsAnswer(lower_root)) {
      Delegate(upper, lower, graph_.StripX32(lower_root));
    }
    Weigh(upper);
    const NodeId upper_root = LowerPieces(graph_, kNumber, upper, kPrice);
    return graph_.Test(NodeKind::kAtLeast, kNumber, kX32Bit, upper_root, lower_root);
  }

  // Where x32 says what x86_64 says of the number without the bit, the tree of x86_64 can be used:
  // most numbers mean the same call in both. Which pieces go there is chosen so that as few
  // neighbours as possible have different goals.
  static void Delegate(std::vector<Piece>& upper, const std::vector<Piece>& lower, NodeId strip) {
    std::vector<Piece> cut;
    for (const Piece& piece : upper) {
      std::uint64_t first = piece.first;
      for (const Piece& below : lower) {
        const std::uint64_t next = std::uint64_t{below.last} + 1 + kX32Bit;
        if (next > first && next <= piece.last) {
          cut.push_back({static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(next - 1),
                         piece.goal, 0, false});
          first = next;
        }
      }
      cut.push_back({static_cast<std::uint32_t>(first), piece.last, piece.goal, 0, false});
    }
    constexpr std::uint32_t kNever = 1'000'000;
    const auto can_strip = [&](const Piece& piece) {
      // Numbers from 2^31 on keep a bit that no number of x86_64 has.
      if (piece.last >= 2 * kX32Bit) {
        return false;
      }
      const auto same = std::find_if(lower.begin(), lower.end(), [&](const Piece& below) {
        return piece.first - kX32Bit <= below.last;
      });
      return same->goal == piece.goal;
    };
    // changes[i][s]: fewest changes of goal up to piece i when it goes to its own goal (0) or to
    // the other tree (1).
    std::vector<std::pair<std::uint32_t, std::uint32_t>> changes;
    for (std::size_t i = 0; i < cut.size(); ++i) {
      const bool possible = can_strip(cut[i]);
      if (i == 0) {
        changes.emplace_back(0, possible ? 0 : kNever);
        continue;
      }
      const auto [own, other] = changes.back();
      const std::uint32_t same = cut[i].goal == cut[i - 1].goal ? own : own + 1;
      changes.emplace_back(std::min(same, other + 1), possible ? std::min(other, own + 1) : kNever);
    }
    bool strips = changes.back().second < changes.back().first;
    for (std::size_t i = cut.size(); i-- > 0;) {
      const NodeId goal = cut[i].goal;
      cut[i].goal = strips ? strip : goal;
      if (i == 0) {
        break;
      }
      const auto [own, other] = changes[i - 1];
      const std::uint32_t stay = strips ? other : own + (cut[i - 1].goal == goal ? 0 : 1);
      const std::uint32_t change = strips ? own + 1 : other + 1;
      strips = change < stay ? !strips : strips;
    }
    for (Piece& piece : cut) {
      piece.single = piece.first == piece.last;
    }
    upper = std::move(cut);
  }

  void Weigh(std::vector<Piece>& pieces) const {
    std::vector<std::uint64_t> profile;
    std::uint64_t profiled = 0;
    std::uint64_t numbers = 0;
    for (const Piece& piece : pieces) {
      profile.push_back(ProfileOf(piece));
      profiled += profile.back();
      numbers += CommonNumbers(piece);
    }
    std::vector<NodeId> goals;
    for (const Piece& piece : pieces) {
      goals.push_back(piece.goal);
    }
    const std::vector<std::size_t> longest = LongestWays(graph_, goals);
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      Piece& piece = pieces[i];
      piece.below = longest[i];
      piece.weight = kPieceShare / pieces.size();
      piece.weight += numbers == 0 ? 0 : kNumberShare * CommonNumbers(piece) / numbers;
      piece.weight += profiled == 0 ? 0 : kProfileShare * profile[i] / profiled;
    }
  }

  // How often the program is run for a call of this piece.
  [[nodiscard]] std::uint64_t ProfileOf(const Piece& piece) const {
    std::uint64_t calls = 0;
    for (const Weight& weight : request_.weights) {
      const bool inside = weight.nr >= piece.first && weight.nr <= piece.last;
      calls += inside && AuditArch(weight.arch) == audit_ ? weight.weight : 0;
    }
    const bool cached = graph_.At(piece.goal) == Node{NodeKind::kAnswer, {0, 0}, kAllow, 0, 0};
    // In eighths, so that nothing is rounded away.
    return cached && !request_.without_cache ? calls : calls * kCacheDivisor;
  }

  // How many numbers of a piece calls can be expected of. Large pieces are what lies behind the
  // table's end: hardly anybody calls there.
  [[nodiscard]] static std::uint64_t CommonNumbers(const Piece& piece) {
    constexpr std::uint64_t kLargest = 1024;
    const std::uint64_t size = std::uint64_t{piece.last} - piece.first + 1;
    return size > kLargest ? 1 : size;
  }

  const Request& request_;
  std::uint32_t audit_;
  Graph& graph_;
  ArgumentTree& arguments_;
  std::unordered_map<const ArchPolicy*, RulesByNumber> rules_;
  std::vector<Piece> pieces_;
};

}  // namespace

std::vector<std::uint32_t> RunStarts(const std::vector<Policy>& policies, std::uint32_t audit) {
  std::vector<std::uint32_t> starts{0};
  const auto cut = [&](std::uint32_t first, std::uint32_t last) {
    starts.push_back(first);
    if (last != kAllBits) {
      starts.push_back(last + 1);
    }
  };
  if (audit == kAuditX8664) {
    cut(kX32Bit, kSkippedCall - 1);
  }
  for (const Policy& policy : policies) {
    for (const ArchPolicy& section : policy.architectures) {
      if (AuditArch(section.arch) != audit) {
        continue;
      }
      for (const NumberRange& range : section.known) {
        cut(range.first, range.last);
      }
      for (const Rule& rule : section.rules) {
        for (const std::uint32_t nr : rule.numbers) {
          cut(nr, nr);
        }
      }
    }
  }
  std::sort(starts.begin(), starts.end());
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  return starts;
}

std::vector<std::uint32_t> AuditArchs(const std::vector<Policy>& policies) {
  std::vector<std::uint32_t> audits;
  for (const Policy& policy : policies) {
    for (const ArchPolicy& section : policy.architectures) {
      const std::uint32_t audit = AuditArch(section.arch);
      if (std::find(audits.begin(), audits.end(), audit) == audits.end()) {
        audits.push_back(audit);
      }
    }
  }
  return audits;
}

std::optional<NodeId> NumberTree(const Request& request, std::uint32_t audit, Graph& graph,
                                 ArgumentTree& arguments) {
  return NumberMap(request, audit, graph, arguments).Build();
}

}  // namespace cloister::seccomp
