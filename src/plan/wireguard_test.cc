// SPDX-License-Identifier: Apache-2.0
#include "plan/wireguard.h"

#include <gtest/gtest.h>

#include "plan/diff.h"
#include "plan/reconciler.h"
#include "support/fake_kernel.h"

namespace flannel::wireguard_test {
namespace {

constexpr std::string_view kText = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";  // 1, 2, .. 32

WireguardKey key(std::uint8_t last) {
  WireguardKey key;
  key.bytes.back() = last;
  return key;
}

WireguardPeer peer(std::uint8_t number, std::uint16_t port = 51820) {
  return {.link = "flannel-wg",
          .key = key(number),
          .endpoint = {IpAddress::v4(192, 0, 2, number), port},
          .allowed = {IpPrefix::of(IpAddress::v4(10, 5, number, 0), 24)}};
}

NetState device_with(std::vector<WireguardPeer> peers) {
  NetState state;
  state.links.push_back(
      {.name = "flannel-wg", .kind = WireguardSettings{.key = key(9), .port = 51820}, .mtu = 1420});
  for (WireguardPeer& one : peers)
    state.wireguard.emplace_back(std::move(one));
  return state;
}

std::string changes(const NetState& have, const NetState& want) {
  std::string text;
  for (const KernelChange& change : diff(have, want))
    text.append(to_string(change.op)).append(" ").append(to_string(change.object)).append("\n");
  return text;
}

TEST(WireguardKeyTest, HasOneText) {
  const auto parsed = WireguardKey::parse(kText);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->bytes.front(), 1);
  EXPECT_EQ(parsed->bytes.back(), 32);
  EXPECT_EQ(to_string(*parsed), kText);
}

TEST(WireguardKeyTest, AnyOtherTextIsRefused) {
  const std::string text(kText);
  for (const std::string& wrong :
       {std::string(), text.substr(0, 43), text + "\n", " " + text,
        text.substr(0, 42) + "B=", text.substr(0, 40),
        std::string("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), std::string(44, '!')}) {
    EXPECT_FALSE(WireguardKey::parse(wrong)) << wrong;
  }
}

TEST(WireguardSecretTest, AnErrorDoesNotRepeatTheText) {
  const auto wrong = WireguardSecret::parse("hunter2hunter2");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().text.find("hunter2"), std::string::npos);
}

TEST(WireguardSecretTest, NoTextOfAnObjectHasIt) {
  const WireguardSecret secret = WireguardSecret::parse(kText).value();
  EXPECT_EQ(text_for_file(secret), kText);
  WireguardPeer shared = peer(2);
  shared.preshared = secret;
  NetState state = device_with({shared});
  std::get<WireguardSettings>(state.links[0].kind).secret = secret;
  EXPECT_EQ(dump(state),
            "link flannel-wg wireguard public-key AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAk= "
            "listen-port 51820 mtu 1420 up\n"
            "wg peer AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAI= dev flannel-wg endpoint "
            "192.0.2.2:51820 allowed-ips 10.5.2.0/24 preshared-key (hidden)\n");
}

TEST(WireguardDiffTest, PeersAreChangedOneByOne) {
  WireguardPeer changed = peer(2);
  changed.allowed.push_back(IpPrefix::parse("fd00:5:2::/64").value());
  EXPECT_EQ(
      changes(device_with({peer(2), peer(3), peer(4)}), device_with({changed, peer(4), peer(5)})),
      "put " + to_string(changed) + "\nput " + to_string(peer(5)) + "\nremove " +
          to_string(peer(3)) + "\n");
}

TEST(WireguardDiffTest, AnotherKeyOfTheDeviceIsAChangeInPlace) {
  NetState have = device_with({peer(2)});
  std::get<WireguardSettings>(have.links[0].kind).key = key(8);
  EXPECT_EQ(changes(have, device_with({peer(2)})),
            "put " + to_string(Shared<Link>(device_with({}).links[0])) + "\n");
}

TEST(WireguardDiffTest, AnEndpointThatWorksStays) {
  WireguardPeer roams = peer(2, 40000);
  EXPECT_EQ(changes(device_with({roams}), device_with({peer(2)})),
            "put " + to_string(peer(2)) + "\n");
  roams.endpoint_works = true;
  EXPECT_EQ(changes(device_with({roams}), device_with({peer(2)})), "");
  roams.keepalive = 25;
  EXPECT_EQ(changes(device_with({roams}), device_with({peer(2)})),
            "put " + to_string(peer(2)) + "\n");
}

// The kernel shows no difference while the former endpoint works.
TEST(WireguardReconcilerTest, AnEndpointThatALeaseChangesIsPutAlsoWhileTheFormerWorks) {
  const IpPrefix subnet = IpPrefix::parse("10.5.2.0/24").value();
  const auto state_of = [](const WireguardPeer& one) {
    NetState state;
    state.wireguard.emplace_back(one);
    return state;
  };
  FakeKernel kernel;
  Reconciler reconciler(kernel);
  const Scope scope{.link_names = {"flannel-wg"},
                    .networks = {IpPrefix::parse("10.5.0.0/16").value()}};
  reconciler.set_host(scope, device_with({}));
  reconciler.set_peers({{subnet, state_of(peer(2))}}, TimePoint{});
  ASSERT_TRUE(reconciler.sync(TimePoint{}));
  WireguardPeer works = peer(2);
  works.endpoint_works = true;
  kernel.erase("wg peer");
  kernel.meddle(Shared<WireguardPeer>(works));
  kernel.take_log();
  ASSERT_TRUE(reconciler.set_peers_and_sync({{subnet, state_of(peer(2, 40000))}}, TimePoint{}));
  EXPECT_EQ(kernel.take_log(), "put " + to_string(peer(2, 40000)) + "\n");
}

}  // namespace
}  // namespace flannel::wireguard_test
