// SPDX-License-Identifier: Apache-2.0
// What must hold while hosts and store go through whatever befalls them, and once it is quiet.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "simulation/expected_peers.h"
#include "simulation/host.h"
#include "simulation/store.h"

namespace flannel::simulation {

// A call under way when the cause arose is answered within its deadline, and a retry follows.
inline constexpr auto kInFlight = std::chrono::seconds(30);
// The longest pause between two tries, and calls that time out.
inline constexpr auto kBackByThen = std::chrono::seconds(40);

class Judge {
 public:
  using Hosts = std::vector<std::unique_ptr<Host>>;
  using Violation = Store::Violation;

  // `follows_config`: hosts follow changes of the configuration while they run.
  Judge(const Timeline& timeline, const Store& store, const Hosts& hosts,
        const bool& follows_config, Violation violation)
      : timeline_(timeline),
        store_(store),
        hosts_(hosts),
        follows_config_(follows_config),
        violation_(std::move(violation)) {}

  // After each turn of a host: its subnet of each family, its node id, its MACs and its peers
  // change for a cause only, and no peer goes because of what its host has put right in time.
  void after_turn(Host& host) const;
  // A lease ended by itself: its host was not there, or could not reach the store.
  void after_expiry(const Record& record) const;
  // Now and then: no two hosts believe that one subnet is theirs.
  bool cannot_learn(const Host& host) const;
  void compare_beliefs() const;
  // Once nothing has happened for long enough: hosts, tables and kernels agree with the store.
  void when_quiet() const;

 private:
  // judge.cc
  bool may_give_way(const Host& host) const;
  void judge_families(const Host& host) const;
  bool judge_subnet(Host& host) const;  // whether one of a family is another one now
  void judge_other_subnet(const Host& host, const IpPrefix& before, const SubnetKey& now) const;
  void judge_peers(Host& host) const;
  Host::KnownPeer known_as(const ListedLease& listed, const Host::KnownPeer& before) const;
  std::vector<std::string> announced_vteps(const Host::KnownPeer& known) const;
  void judge_peer(const Host& host, const IpPrefix& subnet, const Host::KnownPeer& known,
                  const Lease* now) const;
  bool has_our_address(const Host& host, const IpPrefix& subnet) const;
  void judge_lost_peer(const Host& host, const IpPrefix& subnet, const Host::KnownPeer& peer) const;
  bool was_lied_to(const Host& host) const;
  void judge_config(const Host& host) const;
  bool is_taken(IpAddress owner, const SubnetKey& subnet) const;
  bool seems_taken(const Host& host, const SubnetKey& subnet) const;
  bool has_record(const SubnetKey& subnet,
                  const std::function<bool(const LeaseAttributes*)>& is_meant) const;
  void compare_beliefs(const Host& first, const Host& host, const IpPrefix& subnet) const;
  void judge_lease(const Host& host, const ExpectedPeers& expected) const;
  void judge_drained(const Host& host) const;
  void judge_backend(const Host& host, const LeaseAttributes& says) const;
  void judge_table(const Host& host, const ExpectedPeers& expected) const;
  void judge_kernel(const Host& host, const ExpectedPeers& expected) const;

  // judge_names.cc
  void lose_name_with_families(Host& host) const;
  void judge_beginning(Host& host) const;
  void judge_left_name(Host& host) const;
  void judge_vteps(Host& host, bool another_subnet) const;
  void judge_vtep(Host& host, Family family, const std::string& vtep, bool another_subnet) const;
  void judge_ways(const Host& host) const;
  bool is_copied(const Host& host) const;
  bool has_reservation(const Host& host) const;
  bool has_record(const Host& host) const;
  void judge_name(const Host& host) const;
  void judge_alarms(const Host& host, const ExpectedPeers& expected) const;
  std::vector<std::string> unexpected(const Host& host, const ExpectedPeers& expected,
                                      std::vector<std::string> troubles) const;

  const Timeline& timeline_;
  const Store& store_;
  const Hosts& hosts_;
  const bool& follows_config_;
  Violation violation_;
};

}  // namespace flannel::simulation
