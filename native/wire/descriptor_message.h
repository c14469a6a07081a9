// A packet with one descriptor (SCM_RIGHTS, unix(7)), ready for sendmsg(2). Child-safe.

#ifndef CLOISTER_WIRE_DESCRIPTOR_MESSAGE_H_
#define CLOISTER_WIRE_DESCRIPTOR_MESSAGE_H_

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstring>

namespace cloister::wire {

class DescriptorMessage {
 public:
  // Neither is copied: both have to stay until the message is sent. -1: without a descriptor.
  DescriptorMessage(const void* data, std::size_t size, int descriptor) noexcept
      : part_{const_cast<void*>(data), size} {
    message_.msg_iov = &part_;
    message_.msg_iovlen = 1;
    if (descriptor < 0) {
      return;
    }
    message_.msg_control = control_;
    message_.msg_controllen = sizeof(control_);
    cmsghdr* const header = CMSG_FIRSTHDR(&message_);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
  }
  // It points into itself.
  DescriptorMessage(const DescriptorMessage&) = delete;
  DescriptorMessage& operator=(const DescriptorMessage&) = delete;
  ~DescriptorMessage() = default;

  [[nodiscard]] const msghdr* Get() const noexcept { return &message_; }

 private:
  alignas(cmsghdr) char control_[CMSG_SPACE(sizeof(int))] = {};
  iovec part_;
  msghdr message_ = {};
};

}  // namespace cloister::wire

#endif  // CLOISTER_WIRE_DESCRIPTOR_MESSAGE_H_
