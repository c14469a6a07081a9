// The launcher as the whole process shares it: one connection, one lock, one watcher thread,
// whatever the number of Workers.

#ifndef CLOISTER_BINDING_LAUNCHER_CLIENT_H_
#define CLOISTER_BINDING_LAUNCHER_CLIENT_H_

#include <sys/types.h>

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
#include "native/binding/terminal_relay.h"
#include "native/plan/result.h"

namespace cloister::binding {

struct Spawned {
  std::uint64_t cell;
  // One for each stdio entry; invalid where nothing stays here.
  std::vector<UniqueFd> ours;
};

// Whom this process runs as.
struct Credentials {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;

  static Credentials Current();
  bool operator==(const Credentials&) const = default;
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
  // False: the cell has no terminal, or not yet, or no more.
  bool Resize(std::uint64_t cell, std::uint16_t columns, std::uint16_t rows);

  // No further cell: this process has restricted itself. Those that run go on; where the launcher
  // cannot be told, they end with it.
  void CloseForGood();

  // The owner is about to go: its cells are ended, and nothing is delivered to it any more once
  // this returns.
  void Forget(EventSink* owner);

 private:
  struct Cell {
    // Null once the owner is gone.
    EventSink* owner;
    // Null once the launcher is lost.
    std::shared_ptr<Connection> connection;
    // Of the command, once started.
    int pid;
    // The socket for a terminal that has not come yet; then the relay that has both.
    UniqueFd terminal;
    std::shared_ptr<TerminalRelay> relay;
  };

  LauncherClient() = default;

  // With mutex_ held.
  [[nodiscard]] std::optional<Failure> RefuseOwn(std::span<const int> stdio) const;
  std::optional<Failure> OpenNullDevice();
  std::optional<Failure> Connect(const std::string& launcher_path);
  std::optional<Failure> SendSpawn(const Packet& packet, const std::string& launcher_path);
  // Leaves the launcher to the cells it has; it ends with the last of them.
  void Retire();
  [[nodiscard]] bool IsOver(const Connection* connection) const;
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
  bool closed_ = false;
  Credentials credentials_;
  UniqueFd null_device_;
  // Process-wide and never reused: a late event of one cell cannot be taken for another's.
  std::uint64_t last_cell_ = 0;
  std::unordered_map<std::uint64_t, Cell> cells_;
};

}  // namespace cloister::binding

#endif  // CLOISTER_BINDING_LAUNCHER_CLIENT_H_
