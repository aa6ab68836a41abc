// SPDX-License-Identifier: Apache-2.0
// Hosts, operators, expiries and lost replies in random order: whatever happens, the keepers never
// believe for good that they hold one subnet together, and always come to rest.
#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "core/lease_keeper.h"
#include "support/keeper_host.h"

namespace flannel {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using Fate = KeeperHost::Fate;

class World {
 public:
  World(unsigned seed, bool one_identity) : engine_(seed) {
    store.now = TimePoint(hours(1000));
    // Three subnets of four addresses for two hosts: they meet all the time.
    const auto config = parse_network_config(R"({"Network":"10.5.0.0/28"})")->config;
    for (std::uint8_t n = 1; n <= 2; ++n) {
      const LeaseAttributes attributes{.public_ip = Ip4::of(192, 0, 2, one_identity ? 1 : n),
                                       .backend_type = n == 1 ? "vxlan" : "host-gw"};
      std::optional<Cidr4> previous;
      if (draw(2) == 0) previous = config.subnet_at(draw(3));
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

  // One thing happens to somebody.
  void happen() {
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
        if (host.has_news()) host.hear_one();
        break;
      case 9:
        store.pass(seconds(draw(25)));
        host.tick();
        break;
      case 10:
        host.tick();
        break;
      default:
        interfere();
    }
  }

  // The store answers, the watch tells all, nobody interferes: until nothing is left to do.
  void come_to_rest() {
    for (int round = 0; round < 300; ++round) {
      for (const auto& host : hosts)
        host->settle();
      store.pass(seconds(1));
      for (const auto& host : hosts)
        host->tick();
    }
    for (const auto& host : hosts)
      host->settle();
  }

  SimulatedStore store;
  std::vector<std::unique_ptr<KeeperHost>> hosts;

 private:
  void interfere() {
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

bool holds(const KeeperHost& host) {
  return host.keeper.phase() == LeasePhase::active || host.keeper.phase() == LeasePhase::renewing;
}

TEST(LeaseRaceTest, TwoHostsNeverEndUpHoldingOneSubnet) {
  int both_held = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    World world(seed, false);
    for (int i = 0; i < 300; ++i)
      world.happen();
    for (const auto& host : world.hosts) {
      if (host->keeper.phase() == LeasePhase::idle) host->start();
    }
    world.come_to_rest();
    KeeperHost& a = *world.hosts[0];
    KeeperHost& b = *world.hosts[1];
    EXPECT_TRUE(a.one_call_at_a_time && b.one_call_at_a_time) << "seed " << seed;
    if (holds(a) && holds(b)) {
      ++both_held;
      EXPECT_FALSE(a.keeper.lease()->subnet.v4.overlaps(b.keeper.lease()->subnet.v4))
          << "seed " << seed;
    }
    EXPECT_TRUE(holds(a) || holds(b)) << "seed " << seed;
    for (const auto& host : world.hosts) {
      if (!holds(*host)) continue;
      const auto stored = world.store.records.find(encode_subnet_key(host->keeper.lease()->subnet));
      ASSERT_NE(stored, world.store.records.end()) << "seed " << seed;
      EXPECT_EQ(stored->second.value, encode_lease_value(host->keeper.lease()->attributes))
          << "seed " << seed;
    }
  }
  EXPECT_GT(both_held, 100) << "else this test says little";
}

TEST(LeaseRaceTest, TwoHostsWithOneIdentityAreSlowedDown) {
  for (unsigned seed = 0; seed < 25; ++seed) {
    World world(seed, true);
    for (int i = 0; i < 300; ++i)
      world.happen();
    const auto before = world.store.log.size();
    world.come_to_rest();
    EXPECT_LT(world.store.log.size() - before, 100U) << "in 300 s, seed " << seed;
  }
}

}  // namespace
}  // namespace flannel
