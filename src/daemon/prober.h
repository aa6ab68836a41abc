// SPDX-License-Identifier: Apache-2.0
// Probes the peers of one network, and answers their probes: docs/probes.md.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/problem.h"
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
  struct Ways {
    std::vector<ProbeTarget> targets = {};
    std::vector<ProbeDevice> devices = {};
  };
  struct Parts {
    Loop& loop;  // loop and host must outlive the prober
    Host& host;
    bool is_on = false;              // false: nothing is sent, and no request is answered
    std::function<Ways()> ways;      // what is to be probed now
    std::function<void()> on_state;  // append_problems() or the state of a path has changed
  };

  explicit Prober(Parts parts);

  // Parts::ways() may return others.
  void ways_changed();

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
  std::shared_ptr<const ProbeCounters> counters() const { return paths_.counters(); }
  void append_problems(std::vector<Problem>& all) const;

 private:
  void open();
  void read_ways();
  void run();
  void listen();
  void send(const std::vector<ProbePaths::Outgoing>& packets);
  void on_arrival(const ProbePaths::Arrival& arrival);
  void on_underlay(const IpAddress& from, std::uint64_t nonce);
  void arm();
  void end_pings();

  Parts parts_;
  ProbePaths paths_;
  struct Pinging {
    PingRun run;
    std::function<void(const PingOutcome&)> done;
  };

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
