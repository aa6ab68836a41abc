// SPDX-License-Identifier: Apache-2.0
// Probes the peers of one network, and answers their probes: docs/probes.md.
#pragma once

#include <absl/container/btree_set.h>

#include <functional>
#include <initializer_list>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/problem.h"
#include "core/lease.h"
#include "daemon/host.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "probe/paths.h"
#include "probe/ping.h"
#include "probe/port.h"

namespace flannel {

// Loop thread only.
class Prober {
 public:
  struct Parts {
    Loop& loop;  // loop and host must outlive the prober
    Host& host;
    bool is_on = false;  // false: nothing is sent, and no request is answered
    // What is to be probed now: all, and the subnets of one peer.
    std::function<std::vector<ProbeTarget>()> targets;
    std::function<std::vector<ProbeTarget>(const SubnetKey& peer)> targets_of;
    std::function<std::vector<ProbeDevice>()> devices;
    std::function<void()> on_state;  // append_problems() or the state of a path has changed
  };

  explicit Prober(Parts parts);

  // The functions of Parts may return something else: for any peer, and for these alone.
  void all_changed();
  void peers_changed(const std::vector<SubnetKey>& peers);

  bool is_on() const { return port_ != nullptr; }
  // Peers are probed as soon as this host has its lease.
  bool is_wanted() const { return parts_.is_on; }
  // The path to the peer whose subnet begins with `base`; null: there is none. Valid in this turn.
  const ProbeTarget* find_target(const IpAddress& base) const { return paths_.find_target(base); }
  // Sends the packets of a ping, and calls `done` when all that it asks has answered, or after
  // PingRun::kTimeout. False: there is no path, or kMostPings are under way.
  static constexpr std::size_t kMostPings = 16;
  bool ping(const PingRequest& request, std::function<void(const PingOutcome&)> done);
  // nullopt: it is not probed.
  std::optional<PathView> view(const IpPrefix& subnet) const;
  // Why the state of this path is not `ok`; empty: nothing is to be said.
  std::string why(const IpPrefix& subnet) const;
  // The number of paths in each state.
  std::map<std::string_view, std::size_t> states() const;
  // As in ProbePaths.
  std::size_t silent_peers() const { return paths_.silent_peers(); }
  std::shared_ptr<const ProbeCounters> counters() const { return paths_.counters(); }
  void append_problems(std::vector<Problem>& all) const;

 private:
  void open();
  void changed_soon();
  void read_ways();
  void take_targets();
  void run();
  void listen();
  void send(const std::vector<ProbePaths::Outgoing>& packets);
  void on_arrival(const ProbePaths::Arrival& arrival);
  void on_underlay(const IpAddress& from, std::uint64_t nonce);
  void arm();
  void end_pings();

  // prober_problems.cc
  std::vector<Problem> problems_of(std::initializer_list<PathState> states,
                                   std::size_t& count) const;
  Problem many_silent(std::size_t count) const;
  void append_broken_checksums(std::vector<Problem>& all) const;

  Parts parts_;
  ProbePaths paths_;
  struct Pinging {
    PingRun run;
    std::function<void(const PingOutcome&)> done;
  };

  bool all_changed_ = true;  // since read_ways()
  absl::btree_set<SubnetKey> changed_;
  std::vector<ProbeDevice> devices_;
  std::list<Pinging> pings_;
  std::string why_closed_;  // why the port could not be opened the last time
  std::unique_ptr<ProbePort> port_;
  Timer open_due_{parts_.loop, [this] { read_ways(); }};
  Timer ways_due_{parts_.loop, [this] { read_ways(); }};
  Timer due_{parts_.loop, [this] { run(); }};
  Timer pings_due_{parts_.loop, [this] { end_pings(); }};
  Timer listen_due_{parts_.loop, [this] { listen(); }};
};

}  // namespace flannel
