// SPDX-License-Identifier: Apache-2.0
// A simulated cluster with two stores. An operator moves it from the old one to the new one, with
// the same plans as flannelctl, and is interrupted; hosts and stores fail meanwhile.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/store_copy.h"
#include "daemon/agent.h"
#include "simulation/chance.h"
#include "simulation/network.h"
#include "simulation/store.h"
#include "support/fake_kernel.h"
#include "support/temporary_folder.h"

namespace flannel::simulation {

// A store with its server.
struct Site {
  Site(Timeline& timeline, Chance& chance, Store::Violation violation)
      : store(timeline, std::move(violation)), service{timeline, chance, store} {}
  Store store;
  Service service;
};

class MovingCluster;

// One host; its machine and its disk outlive its daemon.
class Mover {
 public:
  Mover(MovingCluster& cluster, int number, std::string folder);
  ~Mover();

  // `at_new`: with the address of the new store.
  void start(bool at_new);
  void crash();
  // Its state folder says so, whether or not its daemon runs.
  void drain(bool drained);
  bool is_drained() const { return drained_; }
  bool running() const { return process_ != nullptr; }
  void cut(bool from_new, bool off);
  // The streams of the daemon to one store break, as when its server goes.
  void break_streams(bool to_new);

  const Agent* agent() const;
  std::optional<Lease> lease() const;
  std::string name() const { return "h" + std::to_string(number); }

  const int number;
  const IpAddress ip;
  Machine machine;
  Link link_to_old, link_to_new;
  FakeKernel kernel;
  // ---- what the judge remembers
  bool was_drained = false;  // then another host may have its subnet
  std::optional<SubnetKey> subnet;
  std::map<SubnetKey, IpAddress> peers;  // of this run of the daemon

 private:
  struct Run;

  MovingCluster& cluster_;
  std::string folder_;
  bool drained_ = false;
  NodeId node_id_;
  std::unique_ptr<Run> process_;
};

class MovingCluster {
 public:
  explicit MovingCluster(std::uint64_t seed);
  ~MovingCluster();

  // What was wrong; empty: nothing.
  const std::vector<std::string>& run();

  Timeline timeline;
  Chance chance;
  Site old_site, new_site;
  std::vector<std::unique_ptr<Mover>> hosts;

  void judge_peers(Mover& host);

 private:
  using Step = std::function<void()>;

  void add_host(bool at_new);
  void befall();
  void fault();
  void outage(Site& site);
  void drain(Mover& host, Duration wait);
  void undrain(Mover& host);
  void in(Duration wait, Step work) { timeline.after(wait, std::move(work)); }
  void violated(const std::string& what);
  void judge();
  void judge_end();
  void judge_drained(const Mover& host);

  // The operator. Each write is an event of its own.
  void operate();
  void next_write(std::size_t at);
  void copy();
  void try_to_retire();
  void finish_retirement();
  void note(Site& site, const MoveNotes& notes);
  MoveNotes notes_of(const Site& site) const;

  TemporaryFolder folder_;  // of the hosts
  std::vector<std::string> violations_;
  std::vector<Step> writes_;  // of the operator, that are still to be done
  bool calm_ = false;
  bool abandoned_ = false;  // once at most
};

}  // namespace flannel::simulation
