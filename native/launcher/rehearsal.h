// Mounts that a spare process makes ahead of its plan, because the last plans had the very same.
//
// A program mostly starts cells of one policy, one after the other. Their mounts are then the same
// bytes, and making them is most of what is left of a start once the namespaces are there. They are
// only used for a plan with the same bytes, and only while every source on the host is still the
// file that it was: a directory that was removed and made anew would otherwise show its old, empty
// self.

#ifndef CLOISTER_LAUNCHER_REHEARSAL_H_
#define CLOISTER_LAUNCHER_REHEARSAL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "native/linux/uapi.h"
#include "native/plan/plan.h"

namespace cloister::launcher {

// Bytes that no copy of this process gets (MADV_DONTFORK) and that are wiped in the end: plans hold
// files of their policy.
class PrivateBytes {
 public:
  PrivateBytes() = default;
  // Empty when there is no memory for them.
  static PrivateBytes Copy(const std::uint8_t* data, std::size_t size);
  ~PrivateBytes();
  PrivateBytes(PrivateBytes&& other) noexcept;
  PrivateBytes& operator=(PrivateBytes&& other) noexcept;
  PrivateBytes(const PrivateBytes&) = delete;
  PrivateBytes& operator=(const PrivateBytes&) = delete;

  [[nodiscard]] const std::uint8_t* Data() const { return data_; }
  [[nodiscard]] std::size_t Size() const { return size_; }
  [[nodiscard]] bool Same(const plan::Array<std::uint8_t>& bytes) const;

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

class Rehearsal {
 public:
  // Nothing where the mounts of this plan cannot be made twice, where they cover parts of the
  // host's trees, or where they do not fit into a packet.
  static std::optional<Rehearsal> Of(const plan::Plan& plan);

  // The same mounts, of the same files.
  [[nodiscard]] bool Fits(const plan::Plan& plan) const;

  [[nodiscard]] const PrivateBytes& Mounts() const { return mounts_; }

 private:
  // Which file a path led to; all zero for none. The number alone would not do: it is given out
  // again, and a file may be replaced twice before the spare process gets to mount it. A directory
  // is told from its successor by its birth, or where the file system has none by its last change,
  // which every new entry moves; anything else by its last change.
  struct Source {
    std::uint64_t device;
    std::uint64_t inode;
    uapi::StatxTime time;

    bool operator==(const Source&) const = default;
  };
  static std::vector<Source> LookUp(const plan::Plan& plan);

  PrivateBytes mounts_;
  std::vector<Source> sources_;
};

}  // namespace cloister::launcher

#endif  // CLOISTER_LAUNCHER_REHEARSAL_H_
