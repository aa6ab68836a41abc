// SPDX-License-Identifier: Apache-2.0
#include "plan/diff.h"

#include <gtest/gtest.h>

#include <functional>

#include "support/fake_kernel.h"

namespace flannel::diff_test {
namespace {

const Mac kOwnMac{{0x02, 0, 0, 0, 0, 0x01}};
const Mac kPeerMac{{0x02, 0, 0, 0, 0, 0x02}};

NetState device() {
  NetState state;
  state.links.push_back({.name = "flannel.1",
                         .kind = VxlanSettings{.vni = 1,
                                               .port = 8472,
                                               .lower = {"eth0", 2},
                                               .local = IpAddress::v4(192, 0, 2, 1),
                                               .mac = kOwnMac},
                         .mtu = 1450});
  state.addresses.push_back({.link = "flannel.1", .ip = IpAddress::v4(10, 5, 1, 0), .bits = 32});
  return state;
}

NetState device_and_peer() {
  NetState state = device();
  const IpPrefix subnet = IpPrefix::of(IpAddress::v4(10, 5, 2, 0), 24);
  state.neighbours.push_back({.link = "flannel.1", .ip = subnet.base, .mac = kPeerMac});
  state.fdb.push_back(
      {.link = "flannel.1", .mac = kPeerMac, .remote = IpAddress::v4(192, 0, 2, 2)});
  state.routes.push_back({.to = subnet, .via = subnet.base, .link = "flannel.1", .onlink = true});
  return state;
}

VxlanSettings& vxlan(NetState& state) {
  return std::get<VxlanSettings>(state.links[0].kind);
}

std::string text(const std::vector<KernelChange>& changes) {
  std::string lines;
  for (const KernelChange& change : changes) {
    lines.append(to_string(change.op)).append(" ").append(to_string(change.object)).append("\n");
  }
  return lines;
}

TEST(DiffTest, ARouteWithAnotherMtuIsReplacedAndNotRemoved) {
  NetState small = device_and_peer();
  small.routes.front().mtu = 1330;
  EXPECT_EQ(text(diff(device_and_peer(), small)),
            "put route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink mtu 1330\n");
  EXPECT_EQ(text(diff(small, device_and_peer())),
            "put route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink\n");
}

TEST(DiffTest, ADeviceThatDropsWhatPeersSendIsMended) {
  NetState strict = device_and_peer();
  strict.links.front().strict_source_check = true;
  EXPECT_EQ(text(diff(strict, device_and_peer())),
            "put " + to_string(objects_of(device())[0]) + "\n");
}

TEST(NetStateTest, DumpSpeaksLikeIpAndBridge) {
  EXPECT_EQ(dump(device_and_peer()),
            "link flannel.1 vxlan id 1 local 192.0.2.1 dev eth0 dstport 8472 nolearning mtu 1450 "
            "mac 02:00:00:00:00:01 up\n"
            "addr 10.5.1.0/32 dev flannel.1\n"
            "neigh 10.5.2.0 dev flannel.1 lladdr 02:00:00:00:00:02 nud permanent\n"
            "fdb 02:00:00:00:00:02 dev flannel.1 dst 192.0.2.2 self permanent\n"
            "route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink\n");
}

TEST(NetStateTest, DumpNamesWhatIsUnusual) {
  NetState state = device();
  vxlan(state).learning = true;
  vxlan(state).gbp = true;
  state.links[0].up = false;
  state.links.push_back({.name = "flannel0", .kind = TunSettings{}, .mtu = 1472});
  state.addresses.clear();
  state.routes.push_back(
      {.to = IpPrefix::of(IpAddress::v4(10, 5, 0, 0), 16), .via = {}, .link = "flannel0"});
  EXPECT_EQ(dump(state),
            "link flannel.1 vxlan id 1 local 192.0.2.1 dev eth0 dstport 8472 learning gbp mtu 1450 "
            "mac 02:00:00:00:00:01 down\n"
            "link flannel0 tun txqueuelen 500 mtu 1472 up\n"
            "route 10.5.0.0/16 dev flannel0\n");
}

TEST(NetStateTest, DumpDoesNotDependOnTheOrderOfObjects) {
  NetState state;
  for (const std::uint8_t n : std::vector<std::uint8_t>{10, 2, 1}) {
    state.routes.push_back({.to = IpPrefix::of(IpAddress::v4(10, 5, n, 0), 24), .link = "eth0"});
  }
  EXPECT_EQ(
      dump(state),
      "route 10.5.1.0/24 dev eth0\nroute 10.5.2.0/24 dev eth0\nroute 10.5.10.0/24 dev eth0\n");
}

TEST(NetStateTest, ObjectsCanBeTakenApartAndPutTogether) {
  NetState copy;
  for (KernelObject& object : objects_of(device_and_peer()))
    add(copy, std::move(object));
  EXPECT_EQ(copy, device_and_peer());
}

TEST(DiffTest, EqualStatesNeedNothing) {
  EXPECT_TRUE(diff(device_and_peer(), device_and_peer()).empty());
}

TEST(DiffTest, PutsDeviceFirstAndRouteLast) {
  EXPECT_EQ(text(diff({}, device_and_peer())),
            "put link flannel.1 vxlan id 1 local 192.0.2.1 dev eth0 dstport 8472 nolearning mtu "
            "1450 mac 02:00:00:00:00:01 up\n"
            "put addr 10.5.1.0/32 dev flannel.1\n"
            "put neigh 10.5.2.0 dev flannel.1 lladdr 02:00:00:00:00:02 nud permanent\n"
            "put fdb 02:00:00:00:00:02 dev flannel.1 dst 192.0.2.2 self permanent\n"
            "put route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink\n");
}

TEST(DiffTest, RemovesAPeerFromItsRouteOn) {
  EXPECT_EQ(text(diff(device_and_peer(), device())),
            "remove route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink\n"
            "remove fdb 02:00:00:00:00:02 dev flannel.1 dst 192.0.2.2 self permanent\n"
            "remove neigh 10.5.2.0 dev flannel.1 lladdr 02:00:00:00:00:02 nud permanent\n");
}

TEST(DiffTest, AllPutsComeBeforeAnyRemoval) {
  NetState want = device_and_peer();
  want.routes[0] = {.to = IpPrefix::of(IpAddress::v4(10, 5, 3, 0), 24),
                    .via = IpAddress::v4(10, 5, 3, 0),
                    .link = "flannel.1",
                    .onlink = true};
  EXPECT_EQ(text(diff(device_and_peer(), want)),
            "put route 10.5.3.0/24 via 10.5.3.0 dev flannel.1 onlink\n"
            "remove route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink\n");
}

TEST(DiffTest, AnotherGatewayReplacesTheRoute) {
  NetState want = device_and_peer();
  want.routes[0] = {.to = want.routes[0].to, .via = IpAddress::v4(192, 0, 2, 2), .link = "eth0"};
  EXPECT_EQ(text(diff(device_and_peer(), want)), "put route 10.5.2.0/24 via 192.0.2.2 dev eth0\n");
}

TEST(DiffTest, AnotherRemoteReplacesTheFdbEntry) {
  NetState want = device_and_peer();
  want.fdb[0].remote = IpAddress::v4(192, 0, 2, 9);
  EXPECT_EQ(text(diff(device_and_peer(), want)),
            "put fdb 02:00:00:00:00:02 dev flannel.1 dst 192.0.2.9 self permanent\n");
}

TEST(DiffTest, AnotherMacReplacesTheNeighbourAndLeavesNoFdbEntryBehind) {
  NetState want = device_and_peer();
  const Mac mac{{0x02, 0, 0, 0, 0, 0x0f}};
  want.neighbours[0].mac = mac;
  want.fdb[0].mac = mac;
  EXPECT_EQ(text(diff(device_and_peer(), want)),
            "put neigh 10.5.2.0 dev flannel.1 lladdr 02:00:00:00:00:0f nud permanent\n"
            "put fdb 02:00:00:00:00:0f dev flannel.1 dst 192.0.2.2 self permanent\n"
            "remove fdb 02:00:00:00:00:02 dev flannel.1 dst 192.0.2.2 self permanent\n");
}

// A blackhole and a unicast route differ in metric, so the kernel has both.
TEST(DiffTest, ABlackholeReplacesNoRouteAndNoRouteABlackhole) {
  NetState hole = device();
  const IpPrefix subnet = device_and_peer().routes[0].to;
  hole.routes.push_back({.to = subnet, .link = {}, .blackhole = true});
  NetState route = device();
  route.routes = device_and_peer().routes;
  EXPECT_EQ(text(diff(route, hole)),
            "put blackhole 10.5.2.0/24\n"
            "remove route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink\n");
  EXPECT_EQ(text(diff(hole, route)),
            "put route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink\n"
            "remove blackhole 10.5.2.0/24\n");
}

TEST(DiffTest, DoubledRoutesAreReducedToTheDesiredOne) {
  NetState have = device_and_peer();
  have.routes.push_back({.to = have.routes[0].to,
                         .via = IpAddress::v4(192, 0, 2, 2),
                         .link = "eth0",
                         .onlink = false});
  EXPECT_EQ(text(diff(have, device_and_peer())),
            "remove route 10.5.2.0/24 via 192.0.2.2 dev eth0\n");
  NetState want = device_and_peer();
  want.routes[0].via = IpAddress::v4(10, 5, 2, 1);
  EXPECT_EQ(text(diff(have, want)),
            "put route 10.5.2.0/24 via 10.5.2.1 dev flannel.1 onlink\n"
            "remove route 10.5.2.0/24 via 192.0.2.2 dev eth0\n"
            "remove route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink\n");
}

TEST(DiffTest, AnAddressWithoutItsRouteIsPutAgain) {
  NetState have;
  have.addresses.push_back(
      {.link = "flannel0", .ip = IpAddress::v4(10, 5, 1, 0), .bits = 16, .routed = false});
  NetState want = have;
  want.addresses[0].routed = true;
  EXPECT_EQ(text(diff(have, want)), "put addr 10.5.1.0/16 dev flannel0\n");
  EXPECT_EQ(text(diff(have, {})), "remove addr 10.5.1.0/16 dev flannel0 without its route\n");
}

TEST(DiffTest, MtuStateAndLearningAreChangedInPlace) {
  for (const auto& change : std::vector<std::function<void(NetState&)>>{
           [](NetState& s) { s.links[0].mtu = 1400; }, [](NetState& s) { s.links[0].up = false; },
           [](NetState& s) { vxlan(s).learning = true; }}) {
    NetState want = device_and_peer();
    change(want);
    EXPECT_EQ(diff(device_and_peer(), want),
              (std::vector<KernelChange>{{Op::put, KernelObject(want.links[0])}}));
  }
  NetState tun;
  tun.links.push_back({.name = "flannel0", .kind = TunSettings{}, .mtu = 1472});
  NetState longer = tun;
  std::get<TunSettings>(longer.links[0].kind).queue_len = 1000;
  EXPECT_EQ(text(diff(tun, longer)), "put link flannel0 tun txqueuelen 1000 mtu 1472 up\n");
}

TEST(DiffTest, AnotherMacOfTheDeviceCostsTheNeighboursAndThoseArePutAgain) {
  NetState want = device_and_peer();
  vxlan(want).mac = Mac{{0x02, 0, 0, 0, 0, 0x77}};
  EXPECT_EQ(text(diff(device_and_peer(), want)),
            "put link flannel.1 vxlan id 1 local 192.0.2.1 dev eth0 dstport 8472 nolearning mtu "
            "1450 mac 02:00:00:00:00:77 up\n"
            "put neigh 10.5.2.0 dev flannel.1 lladdr 02:00:00:00:00:02 nud permanent\n");
}

TEST(DiffTest, AnotherUnderlayIsPutIntoTheDevice) {
  for (const auto& change : std::vector<std::function<void(VxlanSettings&)>>{
           [](VxlanSettings& v) {
             v.lower = {"eth1", 3};
           },
           [](VxlanSettings& v) { v.local = IpAddress::v4(192, 0, 2, 9); }}) {
    NetState want = device_and_peer();
    change(vxlan(want));
    const std::vector<KernelChange> expected{{Op::put, KernelObject(want.links[0])}};
    EXPECT_EQ(diff(device_and_peer(), want), expected) << dump(want);
  }
}

TEST(DiffTest, WhatCannotBeChangedRecreatesTheDeviceAndPutsAllOnItAgain) {
  for (const auto& change : std::vector<std::function<void(VxlanSettings&)>>{
           [](VxlanSettings& v) { v.vni = 2; }, [](VxlanSettings& v) { v.port = 4789; },
           [](VxlanSettings& v) { v.local = IpAddress::parse_v6("2001:db8::1").value(); },
           [](VxlanSettings& v) { v.gbp = true; }}) {
    NetState want = device_and_peer();
    change(vxlan(want));
    std::vector<KernelChange> expected{{Op::recreate, KernelObject(want.links[0])},
                                       {Op::put, KernelObject(want.addresses[0])},
                                       {Op::put, KernelObject(want.neighbours[0])},
                                       {Op::put, KernelObject(want.fdb[0])},
                                       {Op::put, KernelObject(want.routes[0])}};
    EXPECT_EQ(diff(device_and_peer(), want), expected) << dump(want);
  }
}

TEST(DiffTest, OfAnIpipDeviceTheLocalAddressAloneIsChangedInPlace) {
  NetState have;
  have.links.push_back({.name = "flannel.ipip",
                        .kind = IpipSettings{.local = IpAddress::v4(192, 0, 2, 1)},
                        .mtu = 1480});
  have.routes.push_back({.to = IpPrefix::parse_v4("10.5.2.0/24").value(),
                         .via = IpAddress::v4(192, 0, 2, 2),
                         .link = "flannel.ipip",
                         .onlink = true});
  NetState moved = have;
  std::get<IpipSettings>(moved.links[0].kind).local = IpAddress::v4(192, 0, 2, 9);
  const std::string moved_link = "link flannel.ipip ipip remote any local 192.0.2.9 mtu 1480 up\n";
  EXPECT_EQ(text(diff(have, moved)), "put " + moved_link);
  // Another program has given it a remote address.
  const std::string anew =
      "recreate " + moved_link + "put route 10.5.2.0/24 via 192.0.2.2 dev flannel.ipip onlink\n";
  std::get<IpipSettings>(have.links[0].kind).remote = IpAddress::v4(192, 0, 2, 2);
  EXPECT_EQ(text(diff(have, moved)), anew);
  have.links[0].kind = IpipSettings{.local = IpAddress::v4(192, 0, 2, 1), .plain = false};
  EXPECT_EQ(text(diff(have, moved)), anew);
}

TEST(DiffTest, AnInterfaceWithANewNameIsTheSame) {
  NetState want = device_and_peer();
  vxlan(want).lower.name = "wan";
  EXPECT_EQ(text(diff(device_and_peer(), want)), "");
}

TEST(DiffTest, ADeviceThatGoesTakesAlongWhatIsOnIt) {
  EXPECT_EQ(text(diff(device_and_peer(), {})),
            "remove link flannel.1 vxlan id 1 local 192.0.2.1 dev eth0 dstport 8472 nolearning mtu "
            "1450 mac 02:00:00:00:00:01 up\n");
}

TEST(DiffTest, CarriedOutInItsOrderItReachesTheDesiredStateFromAnywhere) {
  NetState direct = device();
  direct.routes.push_back({.to = IpPrefix::of(IpAddress::v4(10, 5, 2, 0), 24),
                           .via = IpAddress::v4(192, 0, 2, 2),
                           .link = "eth0"});
  NetState other_vni = device_and_peer();
  vxlan(other_vni).vni = 7;
  NetState other_mac = device_and_peer();
  vxlan(other_mac).mac = kPeerMac;
  NetState hole = device();
  hole.routes.push_back({.to = direct.routes[0].to, .link = {}, .blackhole = true});
  const std::vector<NetState> states{{},        device(), device_and_peer(), direct, other_vni,
                                     other_mac, hole};
  const Scope scope{.link_names = {"flannel.1"},
                    .networks = {IpPrefix::of(IpAddress::v4(10, 5, 0, 0), 16)}};
  for (const NetState& from : states) {
    for (const NetState& to : states) {
      FakeKernel kernel;
      kernel.add_foreign_device("eth0", "192.0.2.1/24");
      for (const auto& result : kernel.apply(diff({}, from)))
        ASSERT_TRUE(result) << result.error().text;
      for (const auto& result : kernel.apply(diff(kernel.read(scope).value(), to)))
        EXPECT_TRUE(result) << result.error().text << "\nfrom\n"
                            << dump(from) << "to\n"
                            << dump(to);
      EXPECT_EQ(kernel.dump(), dump(to)) << "from\n" << dump(from);
    }
  }
}

}  // namespace
}  // namespace flannel::diff_test
