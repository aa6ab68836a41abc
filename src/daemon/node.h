// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/problem.h"
#include "base/result.h"
#include "core/pool_use.h"
#include "daemon/drained_file.h"
#include "daemon/kept_fds.h"
#include "daemon/membership.h"
#include "daemon/network_roster.h"
#include "daemon/network_slot.h"
#include "daemon/option_reload.h"
#include "daemon/option_source.h"
#include "daemon/problem_list.h"
#include "daemon/sd_notify.h"
#include "daemon/way_to_store.h"
#include "kernel/host/host_locks.h"
#include "kernel/objects/linux_kernel.h"
#include "loop/epoll_loop.h"
#include "loop/timer.h"
#include "registry/store_sessions.h"
#include "status/board.h"

namespace flannel {

// One process: this host's part in each of its networks, and the edges of the process. Loop thread
// only.
class Node {
 public:
  static constexpr std::chrono::seconds kLongestEnd{30};

  struct Edges {  // all must outlive the node
    const Options& options;
    OptionSource& source;  // read again at SIGHUP; `options` came from it
    ServiceNotifier& notifier;
    KeptFds& kept;
    EpollLoop& loop;
    LinuxKernel& kernel;
    HostLocks& locks;
    WayToStore& way_to_store;
    StatusBoard& board;
    // Returns what Docker has got from this host's subnets.
    std::function<std::vector<PoolUse>()> pools;
  };

  Node(Edges edges, ProcessIdentity process);

  // Returns after Loop::stop(), or with the error that ended it.
  Result<void> run();

  // Returns this host's part in the network of this name; null: it has none, perhaps only now.
  Membership* find(std::string_view network) const;
  // The options in force. Secrets are among them.
  const Settings& settings() const { return reload_.running(); }

  // The vxlan devices of all networks, whose checksums can be filled in by the kernel.
  std::vector<std::string> vxlan_devices() const;
  // Has the kernel fill in the checksums of packets by vxlan devices, or no longer, and remembers
  // it for the next start. A failure changes nothing.
  Result<void> set_software_checksums(bool on);

  // Edges::pools returns something else.
  void on_pools();

  // Reads the options again, and then the stores, the kernel and the interfaces.
  void refresh();

  // The process is to stop: undoes what commands have made, if that is to be done then, and stops
  // the loop, at once if there is nothing to undo, and otherwise after kLongestEnd at most.
  void end();

 private:
  std::unique_ptr<NetworkSlot> make_slot(const std::string& name);
  Result<void> follow_store();
  void on_list();
  void drop_left();
  NetworkSlot& take_part_in(const std::string& name);
  bool knows_networks() const;
  void publish_daemon();
  std::vector<Membership*> members() const;
  std::optional<std::string> docker_use(const std::string& network) const;
  std::vector<Problem> docker_problems(const std::string& network) const;
  Options options_now(const std::string& network) const;
  void drop_kept_of_others();
  void take(const Options& options);
  void follow_drain(const std::optional<DrainNote>& note);
  void on_territory();
  void separate_networks();
  void on_started();
  void on_published();
  std::string line() const;

  Edges edges_;
  ProcessIdentity process_;
  OptionReload reload_;
  std::optional<Options> taken_;  // at the last reload
  std::optional<Error> fatal_;
  std::size_t ending_ = 0;    // networks whose commands are being undone
  bool has_started_ = false;  // the service manager knows
  bool has_dropped_ = false;  // drop_kept_of_others() was called
  Timer rest_{edges_.loop, [this] { edges_.notifier.status(line()); }};
  DrainedFile drained_;
  IptablesQueue iptables_;  // all networks change the same rules
  std::shared_ptr<StoreSessions> sessions_ = std::make_shared<StoreSessions>(edges_.loop);
  // Null without --networks=*.
  std::unique_ptr<Registry> store_;
  std::unique_ptr<NetworkRoster> roster_;
  bool goes_on_without_store_ = false;  // with the networks that an earlier run had
  ProblemList problems_;                // with --networks=*: those that are of no network
  // In the order of --networks, or of their names.
  std::vector<std::unique_ptr<NetworkSlot>> slots_;
  Timer end_{edges_.loop, [this] { edges_.loop.stop(); }};
  Timer left_{edges_.loop, [this] { drop_left(); }};  // armed if one is to be destroyed
};

}  // namespace flannel
