// SPDX-License-Identifier: Apache-2.0
// Two networks of one process: each reconciler reads and changes its own scope, over one kernel.
#include <gtest/gtest.h>

#include "kernel/monitor/monitor.h"
#include "plan/reconciler.h"
#include "support/hand_loop.h"
#include "support/kernel_test.h"

namespace flannel::two_scopes_test {
namespace {

constexpr std::chrono::minutes kLater{2};

class TwoScopesTest : public LinuxKernelTest {
 protected:
  // One network: its device, its peers, and what keeps them in place.
  struct OfNetwork {
    std::string link;
    std::uint32_t vni = 0;
    IpPrefix network;
    std::unique_ptr<Reconciler> reconciler;
  };

  void SetUp() override {
    LinuxKernelTest::SetUp();
    if (IsSkipped()) return;
    open({.plain_routes = 10});
    begin(one_);
    begin(two_);
  }

  IpPrefix subnet_of(const OfNetwork& network, unsigned number) const {
    return {network.network.base.plus(number, 8), 24};
  }
  NetState peer(const OfNetwork& network, unsigned number) const {
    const IpAddress base = subnet_of(network, number).base;
    NetState state;
    state.neighbours.push_back({.link = network.link, .ip = base, .mac = mac(number)});
    state.fdb.push_back(
        {.link = network.link, .mac = mac(number), .remote = remotes().plus(number)});
    state.routes.push_back({.to = {base, 24}, .via = base, .link = network.link, .onlink = true});
    return state;
  }
  Scope scope_of(const OfNetwork& network) const {
    return {.link_names = {network.link}, .networks = {network.network}};
  }

  void begin(OfNetwork& network) {
    NetState host;
    VxlanSettings settings = vxlan();
    settings.vni = network.vni;
    host.links.push_back({.name = network.link, .kind = settings, .mtu = 1450});
    host.addresses.push_back({.link = network.link, .ip = subnet_of(network, 1).base, .bits = 32});
    network.reconciler = std::make_unique<Reconciler>(*kernel_);
    network.reconciler->set_host(scope_of(network), host);
    set_peers(network, 2, 30);
    sync(network);
  }
  void set_peers(OfNetwork& network, unsigned first, unsigned count) {
    Reconciler::Peers all;
    for (unsigned number = first; number < first + count; ++number)
      all.emplace_back(subnet_of(network, number), peer(network, number));
    network.reconciler->set_peers(std::move(all), now_);
  }
  void sync(OfNetwork& network) {
    now_ += kLater;
    ASSERT_TRUE(network.reconciler->sync(now_));
    EXPECT_EQ(network.reconciler->unmet(), (std::map<std::string, std::string>{}));
  }

  static std::string lines(const std::string& command) {
    return shell(command + " | wc -l | tr -d '\\n'");
  }

  TimePoint now_{std::chrono::hours(1)};
  OfNetwork one_{"flannel.1", 1, {IpAddress::v4(10, 5, 0, 0), 16}, {}};
  OfNetwork two_{"flannel.2", 2, {IpAddress::v4(10, 6, 0, 0), 16}, {}};
};

TEST_F(TwoScopesTest, NeitherRepairsWhatTheOtherWants) {
  for (int i = 0; i < 3; ++i) {
    sync(one_);
    sync(two_);
  }
  EXPECT_EQ(one_.reconciler->counters().corrections, 0U);
  EXPECT_EQ(two_.reconciler->counters().corrections, 0U);
  EXPECT_EQ(lines("ip route show proto 250"), "60");
}

TEST_F(TwoScopesTest, TheNextHopsOfOneAreKnownAfterAReadOfTheOther) {
  EXPECT_EQ(lines("ip nexthop show protocol 250"), "50") << "the first ten routes are plain";
  const std::string before = shell("ip nexthop show protocol 250 dev flannel.1");
  sync(two_);
  set_peers(one_, 2, 30);
  set_peers(one_, 32, 1);
  EXPECT_EQ(lines("ip nexthop show protocol 250"), "51");
  one_.reconciler->set_peers({{subnet_of(one_, 32), {}}}, now_);
  EXPECT_EQ(shell("ip nexthop show protocol 250 dev flannel.1"), before);
}

TEST_F(TwoScopesTest, WhatOthersDoToOneIsNoticedAfterAReadOfTheOther) {
  HandLoop loop;
  std::string reports;
  auto monitor =
      Monitor::open(loop, *kernel_,
                    {.on_foreign_change = [&](const std::string& what) { reports += what + '\n'; },
                     .on_lost = [] {},
                     .on_underlay_change = [] {}});
  ASSERT_TRUE(monitor);
  ASSERT_TRUE((*monitor)->watch(scope_of(one_), interface("eth0")));
  sync(two_);
  loop.turn();
  EXPECT_EQ(reports, "");
  set_peers(one_, 40, 1);
  loop.turn();
  EXPECT_EQ(reports, "") << "our own change";
  shell("bridge fdb del 02:00:00:00:00:05 dev flannel.1; ip link set flannel.1 mtu 1300");
  loop.turn();
  EXPECT_EQ(reports, "FDB entry 02:00:00:00:00:05 deleted\ndevice flannel.1 changed\n");
  sync(one_);
  EXPECT_EQ(one_.reconciler->counters().corrections, 2U);
}

TEST_F(TwoScopesTest, ADeviceThatGoesIsForgottenByItsOwnScopeAlone) {
  shell("ip link del flannel.2");
  sync(one_);
  EXPECT_FALSE(kernel_->unchanged_since_write("flannel.2"));
  EXPECT_TRUE(kernel_->unchanged_since_write("flannel.1"));
  sync(two_);
  EXPECT_TRUE(kernel_->unchanged_since_write("flannel.2"));
  EXPECT_EQ(lines("ip route show proto 250"), "60");
}

}  // namespace
}  // namespace flannel::two_scopes_test
