// The launcher's loop: requests from the addon, reports and ends of cells, deadlines. One thread,
// nothing in it waits for anything but the loop itself.

#ifndef CLOISTER_LAUNCHER_SERVER_H_
#define CLOISTER_LAUNCHER_SERVER_H_

#include <sys/resource.h>

#include <memory>
#include <unordered_map>
#include <vector>

#include "native/launcher/cell.h"
#include "native/launcher/facts.h"
#include "native/launcher/groups.h"
#include "native/launcher/outbox.h"
#include "native/launcher/packet.h"
#include "native/launcher/spawn.h"
#include "native/launcher/starter.h"
#include "native/wire/requests.h"

namespace cloister::launcher {

class Server {
 public:
  explicit Server(int socket) : socket_(socket) {}

  // Returns the exit status of the process: when the addon is gone and nothing of any cell is left.
  int Run();

 private:
  bool Watch(int fd, std::uint64_t tag, std::uint32_t events);
  bool WatchEnd(const Cell& cell);
  [[nodiscard]] int TimeUntilDeadline() const;
  void EnforceDeadlines();
  void HandleEvent(std::uint64_t tag, std::uint32_t events);

  void HandleRequests();
  bool ReceiveRequest();
  bool Dispatch(const wire::ParsedRequest& request, std::vector<UniqueFd> fds);
  bool SentByStarter(const Packet& packet);
  bool HandleSpawn(const wire::ParsedSpawn& spawn, std::vector<UniqueFd> fds);
  void StartCell(const Request& request);
  void HandleSignal(Cell* cell, int signal);
  void SweeperEnded();
  void AddonGone();

  void HandleReports(Cell* cell);
  void HandleReport(Cell* cell, const wire::ChildReport& report, std::vector<UniqueFd> fds);
  void CommandStarted(Cell* cell, const wire::ChildReport& report, std::vector<UniqueFd> fds);
  void TakeListener(Cell* cell, std::vector<UniqueFd> fds);
  void HandleCalls(Cell* cell, std::uint32_t events);
  void HandleCall(Cell* cell, const SeccompNotification& call);
  void InitEnded(Cell* cell);
  bool ClearScratch(Cell* cell);
  void LookForOrphans();
  [[nodiscard]] std::vector<pid_t> Children() const;
  void ReportEnd(Cell* cell, const rusage& usage);
  void TellEnd(Cell* cell, const rusage& usage);
  void GiveUp(Cell* cell);

  template <typename Event>
  void Send(const Event& event, UniqueFd fd = UniqueFd()) {
    if (connected_) {
      outbox_.Add(event, std::move(fd));
      Flush();
    }
  }
  void Flush();

  UniqueFd socket_;
  UniqueFd epoll_;
  bool connected_ = true;
  bool waiting_for_room_ = false;
  bool sender_known_ = false;
  // Held here, since the caller is not to be trusted any more.
  bool closed_ = false;
  Starter starter_;
  child::Facts facts_ = {};
  std::optional<Failure> facts_failure_;
  HostIdPool ids_;
  SpareMaker spares_{&ids_};
  bool orphans_possible_ = false;
  Groups groups_;
  // Removes what is left of earlier launchers; started with the first scratch directory.
  std::optional<Aside> sweeper_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Cell>> cells_;
  Outbox outbox_;
};

}  // namespace cloister::launcher

#endif  // CLOISTER_LAUNCHER_SERVER_H_
