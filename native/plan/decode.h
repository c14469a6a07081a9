// From bytes to a plan. The bytes come from another process: every length, count, flag and index is checked here, and nowhere later.

#ifndef CLOISTER_PLAN_DECODE_H_
#define CLOISTER_PLAN_DECODE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "native/plan/plan.h"

namespace cloister::plan {

// Owns what a Plan points to, except the bytes themselves, which must outlive it.
class DecodedPlan {
 public:
  // Null when the bytes are no plan of this version. The layout is that of lib/native/encode.ts.
  static std::unique_ptr<DecodedPlan> Decode(const std::uint8_t* data, std::size_t size);

  [[nodiscard]] const Plan& View() const { return plan_; }

 private:
  DecodedPlan() = default;

  Plan plan_;
  std::vector<MountOperation> mounts_;
  std::vector<const char*> layers_;
  std::vector<ResourceLimit> limits_;
  std::vector<sock_filter> filter_;
  std::vector<const char*> candidates_;
  std::vector<const char*> argv_;
  std::vector<const char*> environment_;

  friend class Decoder;
};

}  // namespace cloister::plan

#endif  // CLOISTER_PLAN_DECODE_H_
