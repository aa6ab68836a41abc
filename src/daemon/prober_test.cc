// SPDX-License-Identifier: Apache-2.0
// A prober with a twin of its port: peers that answer or not, and what becomes of it.
#include "daemon/prober.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "support/manual_loop.h"
#include "support/plain_host.h"

namespace flannel::prober_test {
namespace {

using std::chrono::seconds;

const IpAddress kOurs = IpAddress::v4(10, 5, 0, 0);

ProbeTarget target(std::uint32_t number) {
  return {.subnet = IpPrefix::of(kOurs.plus(number, 8), 24),
          .from = kOurs,
          .carrier = IpAddress::v4(192, 0, 2, 0).plus(number),
          .tunnel_port = 8472,
          .device = "flannel.1",
          .mtu = 1450};
}

// What is sent arrives at peers that answer at once, unless they are silent.
class TwinPort final : public ProbePort {
 public:
  struct World {
    std::set<IpAddress> silent;  // base addresses
    bool loses_ordinary = false;
    std::vector<ProbeDevice> devices;
    int sent = 0;
    int listens = 0;
    std::vector<std::function<void()>> answers;
  };
  TwinPort(World& world, Events events) : world_(world), events_(std::move(events)) {}

  void listen(const std::vector<ProbeDevice>& devices) override {
    world_.devices = devices;
    ++world_.listens;
  }
  void send(const ProbePaths::Outgoing& packet) override {
    ++world_.sent;
    if (packet.kind == ProbePaths::Outgoing::Kind::underlay) {
      const std::uint64_t nonce = load_be64(packet.bytes, 8);
      const IpAddress from = packet.to;
      world_.answers.push_back([this, from, nonce] { events_.on_underlay(from, nonce); });
      return;
    }
    if (packet.kind == ProbePaths::Outgoing::Kind::ordinary && world_.loses_ordinary) return;
    const auto probe = read_probe(packet.bytes);
    if (!probe || world_.silent.contains(packet.to)) return;
    const auto& request = std::get<ProbeMessage>(probe->content);
    const ArrivedProbe answer{.from = packet.to,
                              .to = kOurs,
                              .size = request.size,
                              .content = ProbeMessage{.kind = ProbeMessage::Kind::answer,
                                                      .size = probe->size,
                                                      .nonce = 1,
                                                      .echo = request.nonce}};
    world_.answers.push_back([this, answer] { events_.on_arrival({answer, "flannel.1", {}}); });
  }

 private:
  World& world_;
  Events events_;
};

class TwinHost final : public PlainHost {
 public:
  Result<std::unique_ptr<ProbePort>> open_probe_port(ProbePort::Events events) override {
    ++opens;
    if (refuses) return fail(ErrorKind::denied, "no");
    return std::make_unique<TwinPort>(world, std::move(events));
  }
  Result<HostView> view() override { return HostView{}; }

  TwinPort::World world;
  bool refuses = false;
  int opens = 0;
};

class ProberTest : public ::testing::Test {
 protected:
  void peers(std::uint32_t count) {
    ways = {};
    for (std::uint32_t i = 1; i <= count; ++i)
      ways.targets.push_back(target(i));
    ways.devices = {{"flannel.1", kOurs}};
    prober.all_changed();
  }
  void silence(std::uint32_t first, std::uint32_t last) {
    for (std::uint32_t i = first; i <= last; ++i)
      host.world.silent.insert(target(i).subnet.base);
  }
  void run(seconds time) {
    for (int i = 0; i < time.count() * 50; ++i) {
      loop.advance(std::chrono::milliseconds(20));
      for (const auto& answer : std::exchange(host.world.answers, {}))
        answer();
    }
  }
  std::vector<Problem> problems() const {
    std::vector<Problem> all;
    prober.append_problems(all);
    return all;
  }

  ManualLoop loop;
  TwinHost host;
  struct Ways {
    std::vector<ProbeTarget> targets = {};
    std::vector<ProbeDevice> devices = {};
  };
  std::vector<ProbeTarget> targets_of(const SubnetKey& peer) const {
    ++asked;
    std::vector<ProbeTarget> found;
    std::ranges::copy_if(ways.targets, std::back_inserter(found),
                         [&](const ProbeTarget& one) { return one.subnet == peer.v4; });
    return found;
  }

  Ways ways;
  mutable int asked = 0;  // for the targets of one peer
  bool is_on = true;
  int changes = 0;
  Prober prober{{.loop = loop,
                 .host = host,
                 .is_on = is_on,
                 .targets = [this] { return ways.targets; },
                 .targets_of = [this](const SubnetKey& peer) { return targets_of(peer); },
                 .devices = [this] { return ways.devices; },
                 .on_state = [this] { ++changes; }}};
};

TEST_F(ProberTest, PeersThatAnswerAreNoProblem) {
  peers(3);
  run(seconds(10));
  EXPECT_EQ(prober.view(target(1).subnet)->state, PathState::ok);
  EXPECT_TRUE(problems().empty());
  const int before = changes;
  run(seconds(10));
  EXPECT_EQ(changes, before) << "answers alone are no change";
}

TEST_F(ProberTest, ASilentPeerIsAProblemWithARemedy) {
  peers(3);
  run(seconds(5));
  silence(2, 2);
  run(seconds(10));
  ASSERT_EQ(problems().size(), 1U);
  const Problem problem = problems()[0];
  EXPECT_EQ(problem.kind->code, "peer-silent");
  EXPECT_EQ(problem.object, "10.5.2.0/24");
  EXPECT_EQ(problem.remedy,
            "see that 192.0.2.2 runs, and that no firewall drops udp/8472 there, here or between "
            "the two");
  EXPECT_TRUE(problem.text.starts_with(
      "10.5.2.0/24 at 192.0.2.2: it does not answer over the overlay, and its host 192.0.2.2 "
      "answers a ping"))
      << problem.text;
  host.world.silent.clear();
  run(seconds(15));
  EXPECT_TRUE(problems().empty());
}

TEST_F(ProberTest, ManySilentPeersAreOneProblem) {
  peers(6);
  run(seconds(10));
  silence(1, 3);
  run(seconds(30));
  EXPECT_EQ(problems().size(), 3U) << "half of them";
  silence(4, 4);
  run(seconds(30));
  ASSERT_EQ(problems().size(), 1U);
  EXPECT_EQ(problems()[0].kind->code, "peers-silent");
  EXPECT_EQ(problems()[0].text, "4 of 6 peers do not answer over the overlay");
}

TEST_F(ProberTest, OfVeryManySilentPeersAHundredAreNamedAndAllAreCounted) {
  peers(300);
  run(seconds(20));
  silence(1, 120);
  run(seconds(90));
  const auto all = problems();
  ASSERT_EQ(all.size(), 101U);
  EXPECT_EQ(all.front().object, "10.5.1.0/24");
  EXPECT_EQ(all[99].object, "10.5.100.0/24");
  EXPECT_NE(all.back().text.find("20"), std::string::npos) << all.back().text;
}

TEST_F(ProberTest, BrokenChecksumsAreOneProblemOfADevice) {
  peers(4);
  for (ProbeTarget& one : ways.targets) {
    one.is_offloaded = one.can_fill_checksums = true;
    one.underlay = "eth0";
  }
  host.world.loses_ordinary = true;
  run(seconds(10));
  ASSERT_EQ(problems().size(), 1U);
  EXPECT_EQ(problems()[0].kind->code, "checksums-broken");
  EXPECT_EQ(problems()[0].object, "flannel.1");
  EXPECT_TRUE(problems()[0].text.starts_with("10.5.1.0/24 at 192.0.2.1: packets whose checksum"));
  EXPECT_TRUE(problems()[0].text.ends_with("; so it is with 3 more")) << problems()[0].text;
  for (ProbeTarget& one : ways.targets)
    one.can_fill_checksums = false;
  prober.all_changed();
  run(seconds(10));
  ASSERT_EQ(problems().size(), 1U);
  EXPECT_EQ(problems()[0].kind->code, "underlay-checksums-broken");
  EXPECT_EQ(problems()[0].object, "eth0");
  EXPECT_EQ(prober.states()["checksum"], 4U);
}

TEST_F(ProberTest, AChangeOfOnePeerConcernsNoOther) {
  peers(3);
  run(seconds(10));
  ways.targets.erase(ways.targets.begin());
  ways.targets.push_back(target(4));
  ways.targets[0].carrier = IpAddress::v4(192, 0, 2, 99);  // the second peer has moved
  // What 3 would be now is not asked.
  ways.targets[1].carrier = IpAddress::v4(192, 0, 2, 98);
  for (const std::uint32_t one : {1U, 2U, 4U})
    prober.peers_changed({SubnetKey{target(one).subnet, std::nullopt}});
  run(seconds(10));
  EXPECT_EQ(asked, 3);
  EXPECT_FALSE(prober.view(target(1).subnet));
  EXPECT_EQ(prober.find_target(target(2).subnet.base)->carrier, IpAddress::v4(192, 0, 2, 99));
  EXPECT_EQ(prober.find_target(target(3).subnet.base)->carrier, target(3).carrier);
  EXPECT_EQ(prober.view(target(4).subnet)->state, PathState::ok);
  EXPECT_EQ(prober.states()["ok"], 3U);
}

// The peer that gets the subnet may be named before the one that loses it.
TEST_F(ProberTest, ASubnetPassesFromOnePeerToAnother) {
  const IpPrefix whole = target(2).subnet;
  const IpPrefix half = IpPrefix::of(whole.base, 25);
  peers(3);
  ways.targets[1].subnet = half;
  run(seconds(10));
  ASSERT_EQ(prober.find_target(whole.base)->subnet, half);
  ways.targets[1].subnet = whole;
  prober.peers_changed({SubnetKey{half, std::nullopt}, SubnetKey{whole, std::nullopt}});
  run(seconds(10));
  ASSERT_NE(prober.find_target(whole.base), nullptr);
  EXPECT_EQ(prober.find_target(whole.base)->subnet, whole);
  EXPECT_EQ(prober.states()["ok"], 3U);
}

TEST_F(ProberTest, WithoutWaysNothingIsSent) {
  prober.all_changed();
  run(seconds(3));
  EXPECT_FALSE(prober.is_on());
  peers(2);
  run(seconds(3));
  ways = {};
  prober.all_changed();
  run(seconds(1));
  const int sent = host.world.sent;
  EXPECT_GT(sent, 0);
  run(seconds(10));
  EXPECT_EQ(host.world.sent, sent);
  EXPECT_TRUE(host.world.devices.empty());
}

TEST_F(ProberTest, DevicesAreLookedForAgainAndAgain) {
  peers(1);
  run(seconds(10));
  EXPECT_GE(host.world.listens, 9);
}

TEST_F(ProberTest, APortThatCannotBeOpenedIsTriedAgain) {
  host.refuses = true;
  peers(1);
  run(seconds(35));
  EXPECT_FALSE(prober.is_on());
  EXPECT_GE(host.opens, 3);
  EXPECT_LE(host.opens, 5);
  host.refuses = false;
  run(seconds(15));
  EXPECT_EQ(prober.view(target(1).subnet)->state, PathState::ok);
}

TEST_F(ProberTest, ASwitchedOffProberOpensNothing) {
  Prober off({.loop = loop,
              .host = host,
              .is_on = false,
              .targets = [this] { return ways.targets; },
              .targets_of = [this](const SubnetKey& peer) { return targets_of(peer); },
              .devices = [this] { return ways.devices; },
              .on_state = [] {}});
  ways.targets = {target(1)};
  ways.devices = {{"flannel.1", kOurs}};
  off.all_changed();
  run(seconds(5));
  EXPECT_FALSE(off.is_on());
  EXPECT_EQ(host.world.sent, 0);
}

}  // namespace
}  // namespace flannel::prober_test
