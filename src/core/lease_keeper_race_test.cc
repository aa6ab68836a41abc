// SPDX-License-Identifier: Apache-2.0
// The keepers of two hosts with calls, operators, expiries and lost replies in random order. Once
// nothing disturbs them, the two have different subnets.
#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "core/lease_keeper.h"
#include "support/keeper_host.h"

namespace flannel::lease_keeper_race_test {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using Fate = KeeperHost::Fate;

class World {
 public:
  World(unsigned seed, bool one_identity) : engine_(seed) {
    store.now = TimePoint(hours(1000));
    // Three subnets of four addresses for two hosts, so that they often choose the same one.
    const auto config = parse_network_config(R"({"Network":"10.5.0.0/28"})")->config;
    for (std::uint8_t n = 1; n <= 2; ++n) {
      const LeaseAttributes attributes{.public_ip = IpAddress::v4(192, 0, 2, one_identity ? 1 : n),
                                       .backend_type = n == 1 ? "vxlan" : "host-gw"};
      std::optional<SubnetKey> previous;
      if (draw(2) == 0) previous = SubnetKey::of(config.v4->at(draw(3)));
      hosts.push_back(std::make_unique<KeeperHost>(
          store, LeaseKeeper(
                     {.ttl = seconds(60), .renew_margin = seconds(10)}, config,
                     attributes.public_ip, [attributes](const Lease*) { return attributes; },
                     previous, [this](std::uint64_t bound) { return draw(bound); })));
    }
  }

  std::uint64_t draw(std::uint64_t bound) {
    return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(engine_);
  }

  // Performs one random step of a random host, of the clock or of an operator.
  void do_random_step() {
    KeeperHost& host = *hosts[draw(hosts.size())];
    switch (draw(12)) {
      case 0:
        if (host.keeper.phase() == LeasePhase::idle) host.start();
        break;
      case 1:
      case 2:
      case 3:
        if (host.calls()) host.carry_out();
        break;
      case 4:
        if (host.calls()) host.carry_out(draw(2) == 0 ? Fate::away : Fate::reply_lost);
        break;
      case 5:
      case 6:
        if (host.answered()) host.reply();
        break;
      case 7:
      case 8:
        if (host.has_changes()) host.deliver_change();
        break;
      case 9:
        store.pass(seconds(draw(25)));
        host.tick();
        break;
      case 10:
        host.tick();
        break;
      default:
        change_a_record();
    }
  }

  // Lets 300 s pass in which every call is answered and every change is delivered.
  void run_undisturbed() {
    for (int round = 0; round < 300; ++round) {
      for (const auto& host : hosts)
        host->finish_calls();
      store.pass(seconds(1));
      for (const auto& host : hosts)
        host->tick();
    }
    for (const auto& host : hosts)
      host->finish_calls();
  }

  SimulatedStore store;
  std::vector<std::unique_ptr<KeeperHost>> hosts;

 private:
  void change_a_record() {
    if (store.records.empty() || draw(4) != 0) return;
    auto record = store.records.begin();
    std::advance(record, static_cast<std::ptrdiff_t>(draw(store.records.size())));
    const std::string key = record->first;
    const std::string value = record->second.value;
    const Ttl some = draw(2) == 0 ? Ttl(seconds(20)) : Ttl(seconds(60));
    switch (draw(3)) {
      case 0:
        store.remove(key);
        break;
      case 1:
        store.put(key, "an operator's mistake", some);
        break;
      default:
        store.put(key, value, some);
    }
  }

  std::mt19937_64 engine_;
};

bool has_lease(const KeeperHost& host) {
  return host.keeper.phase() == LeasePhase::active || host.keeper.phase() == LeasePhase::renewing;
}

TEST(LeaseRaceTest, TwoHostsNeverEndWithOneSubnet) {
  int both_have_leases = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    World world(seed, false);
    for (int i = 0; i < 300; ++i)
      world.do_random_step();
    for (const auto& host : world.hosts) {
      if (host->keeper.phase() == LeasePhase::idle) host->start();
    }
    world.run_undisturbed();
    KeeperHost& a = *world.hosts[0];
    KeeperHost& b = *world.hosts[1];
    EXPECT_TRUE(a.one_call_at_a_time && b.one_call_at_a_time) << "seed " << seed;
    if (has_lease(a) && has_lease(b)) {
      ++both_have_leases;
      EXPECT_FALSE(a.keeper.lease()->subnet.overlaps(b.keeper.lease()->subnet)) << "seed " << seed;
    }
    EXPECT_TRUE(has_lease(a) || has_lease(b)) << "seed " << seed;
    for (const auto& host : world.hosts) {
      if (!has_lease(*host)) continue;
      const auto stored = world.store.records.find(encode_subnet_key(host->keeper.lease()->subnet));
      ASSERT_NE(stored, world.store.records.end()) << "seed " << seed;
      EXPECT_EQ(stored->second.value, encode_lease_value(host->keeper.lease()->attributes))
          << "seed " << seed;
    }
  }
  EXPECT_GT(both_have_leases, 100) << "too few cases with two leases";
}

TEST(LeaseRaceTest, TwoHostsWithOneIdentityWriteWithPauses) {
  for (unsigned seed = 0; seed < 25; ++seed) {
    World world(seed, true);
    for (int i = 0; i < 300; ++i)
      world.do_random_step();
    const auto before = world.store.log.size();
    world.run_undisturbed();
    EXPECT_LT(world.store.log.size() - before, 100U) << "in 300 s, seed " << seed;
  }
}

}  // namespace
}  // namespace flannel::lease_keeper_race_test
