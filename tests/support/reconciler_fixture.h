// SPDX-License-Identifier: Apache-2.0
// The fixture of the tests of the reconciler: a host with eth0 192.0.2.1/24 and flannel.1, and
// numbered peers.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "plan/reconciler.h"
#include "support/fake_kernel.h"

namespace flannel {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline const Scope kScope{.link_names = {"flannel.1"},
                          .networks = {IpPrefix::of(IpAddress::v4(10, 5, 0, 0), 16)}};
inline const Error kRefused{ErrorKind::denied, "Operation not permitted"};

inline IpPrefix subnet(std::uint32_t n) {
  return IpPrefix::of(IpAddress::v4(10, 5, 0, 0).plus(n, 8), 24);
}
inline Mac mac(std::uint8_t n) {
  return {{2, 0, 0, 0, 0, n}};
}
inline IpAddress host_ip(std::uint8_t n) {
  return IpAddress::v4(192, 0, 2, n);
}

inline NetState device(std::uint32_t mtu = 1450) {
  NetState state;
  state.links.push_back(
      {.name = "flannel.1",
       .kind = VxlanSettings{.vni = 1, .lower = {"eth0", 2}, .local = host_ip(1), .mac = mac(1)},
       .mtu = mtu});
  state.addresses.push_back({.link = "flannel.1", .ip = subnet(1).base, .bits = 32});
  return state;
}

// The peer with subnet number `n` on host number `host`.
inline NetState peer(std::uint8_t n, std::uint8_t host) {
  NetState state;
  state.neighbours.push_back({.link = "flannel.1", .ip = subnet(n).base, .mac = mac(host)});
  state.fdb.push_back({.link = "flannel.1", .mac = mac(host), .remote = host_ip(host)});
  state.routes.push_back(
      {.to = subnet(n), .via = subnet(n).base, .link = "flannel.1", .onlink = true});
  return state;
}
inline NetState peer(std::uint8_t n) {
  return peer(n, n);
}

inline NetState direct_route(std::uint8_t n, IpAddress via) {
  NetState state;
  state.routes.push_back({.to = subnet(n), .via = via, .link = "eth0"});
  return state;
}

inline NetState together(const std::vector<NetState>& parts) {
  NetState whole;
  for (const NetState& part : parts) {
    for (KernelObject& object : objects_of(part))
      add(whole, std::move(object));
  }
  return whole;
}

class ReconcilerTest : public testing::Test {
 protected:
  ReconcilerTest() { kernel.add_foreign_device("eth0", "192.0.2.1/24"); }

  void start(const std::vector<std::uint8_t>& peers) {
    reconciler.set_host(kScope, device());
    for (const auto n : peers)
      set_peer(subnet(n), peer(n));
    ASSERT_TRUE(reconciler.sync(now));
    kernel.take_log();
  }

  void set_peer(const IpPrefix& peer, NetState state) {
    reconciler.set_peers({{peer, std::move(state)}}, now);
  }
  void remove_peer(const IpPrefix& peer) { set_peer(peer, {}); }

  // Advances the time and calls the reconciler at each of its wakeups.
  void pass(Duration time) {
    const TimePoint end = now + time;
    int turns = 0;
    while (reconciler.next_wakeup() <= end) {
      ASSERT_LT(++turns, 10'000) << "the reconciler spins";
      now = std::max(now, reconciler.next_wakeup());
      reconciler.tick(now);
    }
    now = end;
  }

  FakeKernel kernel;
  Reconciler reconciler{kernel};
  TimePoint now{std::chrono::hours(1)};
};

}  // namespace flannel
