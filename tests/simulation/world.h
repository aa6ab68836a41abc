// SPDX-License-Identifier: Apache-2.0
// One simulated run: some hosts, a store, a while of faults, then quiet. Everything follows from
// the seed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "simulation/configurations.h"
#include "simulation/host.h"
#include "simulation/judge.h"
#include "simulation/network.h"
#include "simulation/store.h"
#include "support/temporary_folder.h"

namespace flannel::simulation {

struct Plan {
  std::uint64_t seed = 0;
  bool trace = false;  // every fault and every line of every log goes to standard error
  Host::Daemon daemon = Host::Daemon::whole;
  // Chosen by the seed where they are nought.
  std::string config = {};  // that the cluster begins with
  int hosts = 0;
  std::chrono::seconds ttl{};
  Duration chaos{};           // how long things happen
  Duration between_faults{};  // on average
  Duration start_within = std::chrono::seconds(2);
};

class World {
 public:
  explicit World(Plan plan);
  ~World();
  World(const World&) = delete;

  // What was wrong; empty: nothing. The run ends with the first turn in which something is.
  const std::vector<std::string>& run();

  const std::vector<std::string>& violations() const { return violations_; }
  std::uint64_t events() const { return timeline_.events(); }
  std::uint64_t faults() const { return faults_; }
  // A line of the trace.
  void say(const std::string& what) const;

  // ---- what a test may do itself instead of run()
  void begin();
  void let_pass(Duration time) { timeline_.run_until(timeline_.now() + time); }
  void calm_down();
  void judge_when_quiet();
  // The daemons that run with another configuration than the store has begin with that one, unless
  // they follow it by themselves.
  void restart_outdated(unsigned percent);
  // People clean up: whatever strangers, or mistakes, have left in the store is gone.
  void remove_strangers();

  Timeline timeline_;
  Chance chance_;
  Plan plan_;
  Store store_;
  Service service_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::uint64_t faults_ = 0;
  bool calm_ = false;
  bool changes_config_ = false;  // its operator does, time and again
  TimePoint last_lie_{};

  Host& add_host();
  Host& any_host();
  void stop_serving(Duration outage);
  // All connections of all hosts are cut; what was under way is lost.
  void cut_connections();
  void in(Duration wait, std::function<void()> work);
  // Of the families of the configuration mostly, its subnets with one number or with two.
  std::string some_key();
  // What a host of this cluster announces under these addresses.
  LeaseAttributes announcement(const PublicIps& ips) const;
  // What a stranger announces.
  LeaseAttributes stranger() { return announcement(enabled_ips(some_stranger())); }
  IpAddress some_stranger() {
    return kStranger.plus(static_cast<std::uint32_t>(1 + chance_.below(250)));
  }
  // The address and its twin, as far as the configuration has their families.
  PublicIps enabled_ips(IpAddress ip) const;
  // The configuration that the cluster is to have, whether or not the store has one.
  const NetworkConfig& config() const { return config_; }
  void configure(const std::string& text);
  void restore_config() { store_.set_config(config_text_); }
  // `later` starts with the address of `first`, which has it still; and a host that shares its
  // address, if it does, has another from now on.
  void begin_sharing(Host& first, Host& later);
  void end_sharing(Host& host);

 private:
  void next_fault();
  void judge_beliefs();
  void count_calls_at_rest();
  void violated(const std::string& what);

  TemporaryFolder folder_;  // of the hosts
  std::string config_text_;
  NetworkConfig config_;
  const Host* turn_of_ = nullptr;
  Judge judge_;
  std::vector<std::string> violations_;
};

// One fault of the catalogue, drawn by chance, with its end if it has one.
void befall(World& world);

}  // namespace flannel::simulation
