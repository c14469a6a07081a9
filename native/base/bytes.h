// Reads little-endian fields from bytes that somebody else wrote. Every read is checked; after the
// first failure all reads fail.

#ifndef CLOISTER_BASE_BYTES_H_
#define CLOISTER_BASE_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace cloister {

class ByteReader {
 public:
  ByteReader(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  [[nodiscard]] bool Ok() const { return ok_; }
  [[nodiscard]] std::size_t Remaining() const { return size_ - offset_; }

  [[nodiscard]] const std::uint8_t* Position() const { return data_ + offset_; }

  std::uint32_t U32() { return Scalar<std::uint32_t>(); }
  std::uint64_t U64() { return Scalar<std::uint64_t>(); }

  // A flag: anything but 0 and 1 is a failure.
  bool Flag() {
    const std::uint32_t value = U32();
    if (value > 1) {
      ok_ = false;
    }
    return value == 1;
  }

  const std::uint8_t* Bytes(std::size_t count) {
    if (!ok_ || count > Remaining()) {
      ok_ = false;
      return nullptr;
    }
    const std::uint8_t* start = data_ + offset_;
    offset_ += count;
    return start;
  }

  // Length, bytes, NUL. The result points into the input. A NUL inside would make C and the sender
  // disagree about the text.
  const char* Text() {
    const std::uint32_t length = U32();
    if (!ok_ || length >= Remaining()) {
      ok_ = false;
      return "";
    }
    const char* start = reinterpret_cast<const char*>(data_ + offset_);
    if (start[length] != '\0' || std::memchr(start, '\0', length) != nullptr) {
      ok_ = false;
      return "";
    }
    offset_ += std::size_t{length} + 1;
    return start;
  }

  // A count of items that each take at least `minimum` bytes: keeps a hostile count from reserving
  // memory.
  std::uint32_t Count(std::size_t minimum) {
    const std::uint32_t count = U32();
    if (!ok_ || count > Remaining() / minimum) {
      ok_ = false;
      return 0;
    }
    return count;
  }

  void Fail() { ok_ = false; }

 private:
  template <typename T>
  T Scalar() {
    T value = 0;
    if (!ok_ || sizeof(T) > Remaining()) {
      ok_ = false;
      return 0;
    }
    // Both architectures that this is built for are little-endian.
    std::memcpy(&value, data_ + offset_, sizeof(T));
    offset_ += sizeof(T);
    return value;
  }

  const std::uint8_t* data_;
  std::size_t size_;
  std::size_t offset_ = 0;
  bool ok_ = true;
};

}  // namespace cloister

#endif  // CLOISTER_BASE_BYTES_H_
