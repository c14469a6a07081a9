// The launcher as the whole process shares it: one connection, one lock, one watcher thread, whatever the number of Workers.

#ifndef CLOISTER_BINDING_LAUNCHER_CLIENT_H_
#define CLOISTER_BINDING_LAUNCHER_CLIENT_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "native/base/unique_fd.h"
#include "native/binding/cell_event.h"
#include "native/binding/connection.h"
#include "native/binding/stdio.h"
#include "native/plan/result.h"

namespace cloister::binding {

struct Spawned {
  std::uint64_t cell;
  // One for each stdio entry; invalid where nothing stays here.
  std::vector<UniqueFd> ours;
};

class LauncherClient {
 public:
  // Never destroyed: the watcher thread outlives static destructors.
  static LauncherClient& Instance();

  // Starts the launcher where there is none, and asks it for a cell whose events go to `owner`.
  Result<Spawned> Spawn(EventSink* owner, const std::string& launcher_path,
                        std::span<const std::uint8_t> plan, std::span<const int> stdio);

  // False: the cell is not known, or its end was delivered already, or the launcher is gone.
  bool Signal(std::uint64_t cell, int signal);
  bool Kill(std::uint64_t cell);

  // The owner is about to go: its cells are ended, and nothing is delivered to it any more once this returns.
  void Forget(EventSink* owner);

 private:
  struct Cell {
    // Null once the owner is gone.
    EventSink* owner;
    // For comparison only.
    const Connection* connection;
    // Of the command, once started.
    int pid;
  };

  LauncherClient() = default;

  // With mutex_ held.
  std::optional<Failure> OpenNullDevice();
  std::optional<Failure> Connect(const std::string& launcher_path);
  std::optional<Failure> SendSpawn(const Packet& packet, const std::string& launcher_path);
  bool Post(std::uint64_t cell, std::span<const std::uint8_t> request);
  void FlushQueue(Connection* connection);
  void Deliver(std::unique_ptr<CellEvent> event);

  // In the watcher thread, without mutex_.
  struct Watched;
  static void* WatcherMain(void* argument);
  void Watch(const std::shared_ptr<Connection>& connection);
  // False when the launcher is gone.
  bool ReceiveAll(Connection* connection);
  void ReportLoss(const std::shared_ptr<Connection>& connection);

  std::mutex mutex_;
  // Everything below is guarded by mutex_.
  std::shared_ptr<Connection> connection_;
  UniqueFd null_device_;
  // Process-wide and never reused: a late event of one cell cannot be taken for another's.
  std::uint64_t last_cell_ = 0;
  std::unordered_map<std::uint64_t, Cell> cells_;
};

}  // namespace cloister::binding

#endif  // CLOISTER_BINDING_LAUNCHER_CLIENT_H_
