// One first process kept ready for the next cell of the same kind.
//
// New namespaces, a network namespace above all, take longer than everything else in a start. A
// helper process makes the next set while the current cell runs, so that the launcher itself never
// stops for it. The process it makes is the launcher's own child (CLONE_PARENT). It has been given
// ids, a host name and a loopback interface, nothing of any policy, and serves one cell only.

#ifndef CLOISTER_LAUNCHER_SPARE_H_
#define CLOISTER_LAUNCHER_SPARE_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "native/launcher/first_process.h"

namespace cloister::launcher {

class SpareMaker {
 public:
  explicit SpareMaker(HostIdPool* ids) : ids_(ids) {}

  // Starts the helper. Must come before the first cell, so that the helper holds nothing of any.
  void Start(const child::Facts& facts);

  // The helper's socket, to be watched; -1 when it does not run. Without it every first process is
  // made when it is needed.
  [[nodiscard]] int Socket() const { return socket_.Get(); }

  // Readable (EPOLLPRI) when the host's mounts change; -1 without a helper.
  [[nodiscard]] int MountTable() const { return mount_table_.Get(); }
  // The spare process has the mounts as they were when it was made: it would show its cell a file
  // system that is gone, or not show a new one, and keep busy what somebody wants to take out.
  void MountsChanged();

  // A spare process of this kind is wanted, unless there is one or one is on its way. It gets to
  // make the mounts as well when the last two plans had the same.
  void Want(const wire::Preparation& preparation, const plan::Plan& plan);
  // Has it made now. Not while a cell starts or ends: namespaces made meanwhile hold up its
  // umount2(2), pivot_root(2) and exit, which wait for every processor to leave the kernel
  // (synchronize_rcu_expedited). So it is done when a cell has ended, or when a command has run for
  // a while.
  void OrderWanted();
  void CommandRuns();
  // The helper's answer has arrived.
  void Collect();
  // Between the order and the answer there may be a process that only the helper knows.
  [[nodiscard]] bool IsMaking() const { return ordered_channel_.Valid(); }

  // The spare process, if it is of this kind and alive.
  std::optional<FirstProcess> Take(const wire::Preparation& preparation, const plan::Plan& plan);

  // When there is something to do (CLOCK_MONOTONIC; UINT64_MAX: never). A spare process with mounts
  // keeps files of the host busy: it is given up after a time, and one without takes its place.
  [[nodiscard]] std::uint64_t Deadline() const { return std::min(expiry_ns_, order_ns_); }
  void CheckDeadline();

  // Helper and spare, as far as they are known yet.
  [[nodiscard]] std::vector<pid_t> Children() const;

  // Ends helper and spare, and waits for both.
  void Stop();

 private:
  void DropSpare();
  void Expire();
  void Ask(const wire::Preparation& preparation, std::optional<Rehearsal> rehearsal);

  HostIdPool* ids_;
  UniqueFd socket_;
  pid_t helper_ = -1;
  std::optional<FirstProcess> spare_;
  // Wanted, and not yet asked for.
  std::optional<wire::Preparation> wanted_;
  std::optional<Rehearsal> wanted_rehearsal_;
  // Set while the helper works: our side of the channel, and what it is for.
  UniqueFd ordered_channel_;
  wire::Preparation ordered_ = {};
  std::optional<Rehearsal> ordered_rehearsal_;
  // What the spare process has made, and the mounts of the last plan.
  std::optional<Rehearsal> rehearsal_;
  PrivateBytes last_mounts_;
  std::uint64_t expiry_ns_ = UINT64_MAX;
  std::uint64_t order_ns_ = UINT64_MAX;
  bool ordered_is_stale_ = false;
  // Two, since each open file tells of a change once: one for the loop, and one to ask before use.
  UniqueFd mount_table_;
  UniqueFd mount_table_to_ask_;
};

}  // namespace cloister::launcher

#endif  // CLOISTER_LAUNCHER_SPARE_H_
