// Memory that is handed out and never taken back one by one: what a decoded plan lives in.
// Child-safe.

#ifndef CLOISTER_PLAN_ARENA_H_
#define CLOISTER_PLAN_ARENA_H_

#include <cstddef>
#include <cstdint>

namespace cloister::plan {

class Arena {
 public:
  Arena(void* memory, std::size_t size) : at_(static_cast<std::uint8_t*>(memory)), left_(size) {}

  // Zeroed room for `count` objects of a plain type; null when it is used up.
  template <typename T>
  T* Take(std::size_t count) {
    const std::size_t misfit = reinterpret_cast<std::uintptr_t>(at_) % alignof(T);
    const std::size_t padding = misfit == 0 ? 0 : alignof(T) - misfit;
    if (left_ < padding || count > (left_ - padding) / sizeof(T)) {
      return nullptr;
    }
    T* taken = reinterpret_cast<T*>(at_ + padding);
    for (std::size_t i = 0; i < count; ++i) {
      taken[i] = T{};
    }
    at_ += padding + count * sizeof(T);
    left_ -= padding + count * sizeof(T);
    return taken;
  }

 private:
  std::uint8_t* at_;
  std::size_t left_;
};

}  // namespace cloister::plan

#endif  // CLOISTER_PLAN_ARENA_H_
