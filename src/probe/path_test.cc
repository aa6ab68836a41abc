// SPDX-License-Identifier: Apache-2.0
// The verdicts about one path, with a peer that answers or not.
#include "probe/path.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "probe/packet.h"

namespace flannel::probe_path_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

ProbeTarget target(bool answers) {
  ProbeTarget made{.subnet = IpPrefix::parse("10.5.2.0/24").value(),
                   .from = IpAddress::v4(10, 5, 1, 0),
                   .carrier = IpAddress::v4(192, 0, 2, 2),
                   .tunnel_port = 8472,
                   .device = "flannel.1",
                   .mtu = 1450};
  made.answers = answers;
  return made;
}

class ProbePathTest : public ::testing::Test {
 protected:
  // What the peer does.
  struct Peer {
    bool gets_ours = true;
    bool reaches_us = true;
    bool has_flanneld = true;
    bool underlay = true;
    // What becomes of packets whose checksums are left to a device.
    enum class Offloaded { arrive, are_lost, are_damaged, arrive_at_an_earlier_release };
    Offloaded offloaded = Offloaded::arrive;
    std::uint16_t mtu = 1450;
    int answers = 1'000;  // that it still gives
  } peer;

  // Lets time pass, in which the path is probed each second.
  void run(Duration time) {
    const TimePoint end = now + time;
    for (; now < end; now += milliseconds(100)) {
      path.expire(now);
      for (const auto& probe : path.send(now, seconds(1), nonces))
        arrive(probe);
      if (now >= peer_asks) peer_probes();
      seen.insert(state());
    }
  }
  void arrive(const ProbePath::Probe& probe) {
    ++sent;
    if (probe.underlay && peer.underlay) path.on_underlay(now, probe.nonce);
    if (!peer.gets_ours || probe.sizes.to > peer.mtu) return;
    if (probe.is_ordinary() && peer.offloaded == Peer::Offloaded::are_lost) return;
    if (!peer.reaches_us || probe.sizes.back > peer.mtu || --peer.answers < 0) return;
    const TimePoint later = now + milliseconds(2);
    if (probe.echo) path.on_echo(later, probe.nonce, probe.sizes.to);
    if (!probe.request || !peer.has_flanneld) return;
    last = {.kind = ProbeMessage::Kind::answer,
            .size = probe.sizes.to,
            .nonce = nonces(),
            .echo = probe.nonce,
            .checksum = checksum_of(probe)};
    path.on_answer(later, last, probe.sizes.back);
    heard = path.request(now, probe).nonce;
  }
  ProbeMessage::Checksum checksum_of(const ProbePath::Probe& probe) const {
    using Checksum = ProbeMessage::Checksum;
    using Offloaded = Peer::Offloaded;
    if (peer.offloaded == Offloaded::arrive_at_an_earlier_release) return Checksum::not_seen;
    const bool is_damaged = probe.is_ordinary() && peer.offloaded == Offloaded::are_damaged;
    return is_damaged ? Checksum::wrong : Checksum::right;
  }
  void peer_probes() {
    peer_asks = now + seconds(2);
    if (!peer.reaches_us || !peer.has_flanneld) return;
    const ProbeMessage request{.nonce = nonces(), .echo = heard, .echo_age_ms = 1};
    path.on_request(now, request, 60, nonces);
  }
  PathState state() const { return path.view(now).state; }
  std::string why() const { return explain(path.target(), path.view(now), now); }

  std::uint64_t counter = 1;
  Nonces nonces = [this] { return ++counter; };
  TimePoint now{seconds(1000)};
  ProbePath path{target(true), now};
  TimePoint peer_asks = now;
  std::uint64_t heard = 0;  // the last nonce that the peer has from us
  ProbeMessage last;
  int sent = 0;
  std::set<PathState> seen;  // the states since the test has cleared it
};

TEST_F(ProbePathTest, APeerThatAnswersIsOk) {
  EXPECT_EQ(state(), PathState::never_seen);
  run(seconds(5));
  const PathView view = path.view(now);
  EXPECT_EQ(view.state, PathState::ok);
  EXPECT_EQ(view.rtt, milliseconds(2));
  EXPECT_EQ(view.loss, 0.0);
  EXPECT_EQ(view.mtu_to, 1450);
  EXPECT_EQ(view.mtu_back, 1450);
  EXPECT_FALSE(view.by_echo);
  EXPECT_EQ(why(), "");
}

TEST_F(ProbePathTest, ADeadHostIsUnreachableWithinSeconds) {
  run(seconds(5));
  peer = {.gets_ours = false, .reaches_us = false, .underlay = false};
  run(seconds(1));
  EXPECT_EQ(state(), PathState::ok) << "one loss is nothing";
  run(seconds(3));
  EXPECT_EQ(state(), PathState::unreachable);
  EXPECT_TRUE(why().starts_with("the host does not answer: neither over the overlay, nor "))
      << why();
}

TEST_F(ProbePathTest, AFirewallIsToldFromADeadHost) {
  run(seconds(5));
  peer = {.gets_ours = false, .reaches_us = false};
  run(seconds(5));
  EXPECT_EQ(state(), PathState::unreachable);
  EXPECT_NE(why().find("a firewall drops udp/8472"), std::string::npos) << why();
}

TEST_F(ProbePathTest, OnlyOneWayIsNamed) {
  run(seconds(5));
  peer.gets_ours = false;
  run(seconds(12));
  EXPECT_EQ(state(), PathState::one_way);
  EXPECT_TRUE(why().starts_with("its packets arrive here, and ours do not arrive there; it heard"))
      << why();
  peer.reaches_us = false;
  run(ProbePath::kHintLasts + seconds(1));
  EXPECT_EQ(state(), PathState::unreachable);
}

TEST_F(ProbePathTest, ItComesBackAfterTwoAnswers) {
  run(seconds(5));
  peer.gets_ours = peer.reaches_us = false;
  run(seconds(10));
  peer = {};
  peer.answers = 1;
  seen.clear();
  run(seconds(4));
  EXPECT_LT(peer.answers, 0) << "the second one is refused";
  EXPECT_FALSE(seen.contains(PathState::ok)) << "one answer is not enough";
  peer = {};
  seen.clear();
  run(seconds(12));
  EXPECT_EQ(state(), PathState::ok);
  EXPECT_FALSE(seen.contains(PathState::one_way)) << "it is heard first, and then it answers";
}

TEST_F(ProbePathTest, ALossNowAndThenChangesNoState) {
  run(seconds(5));
  seen.clear();
  for (int i = 0; i < 10; ++i) {
    peer.gets_ours = false;
    run(seconds(1));
    peer.gets_ours = true;
    run(seconds(3));
  }
  EXPECT_EQ(seen, std::set{PathState::ok});
  EXPECT_GT(path.view(now).loss, 0.0);
}

TEST_F(ProbePathTest, TheKernelAnswersForADaemonThatIsDown) {
  run(seconds(5));
  peer.has_flanneld = false;
  run(seconds(8));
  EXPECT_EQ(state(), PathState::ok);
  EXPECT_TRUE(path.view(now).by_echo);
  EXPECT_EQ(why(), "its kernel answers and its flanneld does not: it is down, or older");
  peer.has_flanneld = true;
  run(seconds(3));
  EXPECT_FALSE(path.view(now).by_echo);
}

TEST_F(ProbePathTest, AnotherFlannelGetsEchoesAlone) {
  path = ProbePath(target(false), now);
  const auto probes = path.send(now, seconds(1), nonces);
  ASSERT_EQ(probes.size(), 1U);
  EXPECT_FALSE(probes[0].request);
  EXPECT_TRUE(probes[0].echo);
  path.on_echo(now + milliseconds(1), probes[0].nonce, 60);
  EXPECT_EQ(state(), PathState::ok);
  EXPECT_EQ(why(), "");
}

TEST_F(ProbePathTest, SilenceFromTheStartIsAProblemAfterSomeTime) {
  peer.gets_ours = peer.reaches_us = false;
  run(ProbePath::kSettle - seconds(1));
  EXPECT_FALSE(path.view(now).is_silent);
  run(seconds(2));
  EXPECT_EQ(state(), PathState::never_seen);
  EXPECT_TRUE(path.view(now).is_silent);
  EXPECT_TRUE(why().starts_with("it has never answered: ")) << why();
  path = ProbePath(target(false), now);
  run(ProbePath::kSettle + seconds(5));
  EXPECT_FALSE(path.view(now).is_silent) << "another flannel's host may refuse echoes";
}

TEST_F(ProbePathTest, LongPacketsAreLost) {
  run(seconds(5));
  peer.mtu = 1300;
  run(MtuSearch::kCheckEvery + seconds(120));
  EXPECT_EQ(state(), PathState::mtu);
  EXPECT_EQ(why(),
            "packets of more than 1300 bytes to it are lost, and packets of more than 1300 "
            "bytes from it are lost; containers send up to 1450");
  peer.mtu = 1450;
  run(seconds(30));
  EXPECT_EQ(state(), PathState::ok);
}

class OffloadedPathTest : public ProbePathTest {
 protected:
  using Offloaded = Peer::Offloaded;
  static ProbeTarget offloaded() {
    ProbeTarget made = target(true);
    made.is_offloaded = true;
    return made;
  }
  OffloadedPathTest() { path = ProbePath(offloaded(), now); }

  // How many ordinary datagrams a path of this target sends in ten seconds.
  int ordinary_of(const ProbeTarget& target) {
    path = ProbePath(target, now);
    int count = 0;
    for (int i = 0; i < 100; ++i, now += milliseconds(100)) {
      path.expire(now);
      for (const auto& probe : path.send(now, seconds(1), nonces)) {
        count += probe.is_ordinary() ? 1 : 0;
        arrive(probe);
      }
    }
    return count;
  }
};

TEST_F(OffloadedPathTest, ASoundPathIsOk) {
  run(seconds(300));
  EXPECT_EQ(state(), PathState::ok);
  peer.offloaded = Offloaded::arrive_at_an_earlier_release;
  run(seconds(300));
  EXPECT_EQ(state(), PathState::ok);
}

TEST_F(OffloadedPathTest, OnlyPathsWhoseChecksumsAreLeftToADeviceAreAsked) {
  EXPECT_EQ(ordinary_of(offloaded()), 1);
  EXPECT_EQ(ordinary_of(target(true)), 0);
  ProbeTarget foreign = offloaded();
  foreign.answers = false;
  EXPECT_EQ(ordinary_of(foreign), 0);
}

TEST_F(OffloadedPathTest, LossesOfOrdinaryDatagramsAloneAreNamed) {
  peer.offloaded = Offloaded::are_lost;
  run(seconds(5));
  EXPECT_EQ(state(), PathState::checksum);
  EXPECT_EQ(why(),
            "packets whose checksum the kernel leaves to the network card are lost, and those that "
            "have theirs already pass: pings are answered, and TCP and UDP of containers are not");
  peer.offloaded = Offloaded::arrive;
  run(seconds(15));
  EXPECT_EQ(state(), PathState::ok);
}

TEST_F(OffloadedPathTest, DamagedDatagramsAreNamed) {
  peer.offloaded = Offloaded::are_damaged;
  run(seconds(5));
  EXPECT_EQ(state(), PathState::checksum);
  EXPECT_NE(why().find("arrive with a wrong one"), std::string::npos) << why();
}

TEST_F(OffloadedPathTest, APeerThatIsDownOrRestartedHasNoWrongChecksums) {
  run(seconds(5));
  for (int i = 0; i < 50; ++i) {
    peer.gets_ours = false;
    run(seconds(2));
    peer.gets_ours = true;
    peer.has_flanneld = false;
    run(seconds(3));
    peer.has_flanneld = true;
    run(milliseconds(1700));
  }
  EXPECT_FALSE(seen.contains(PathState::checksum));
}

// With many paths short probes are rare, so one goes together with each datagram.
TEST_F(OffloadedPathTest, ALossOfAllProbesIsNotLaidToChecksums) {
  run(seconds(5));
  int rounds = 0;
  for (const TimePoint end = now + seconds(300); now < end; now += milliseconds(100)) {
    path.expire(now);
    const auto probes = path.send(now, seconds(60), nonces);
    const bool any = std::ranges::any_of(probes, &ProbePath::Probe::is_ordinary);
    rounds += any ? 1 : 0;
    peer.gets_ours = !any;
    for (const auto& probe : probes)
      arrive(probe);
    EXPECT_NE(state(), PathState::checksum);
  }
  EXPECT_GT(rounds, ChecksumCheck::kLosses);
}

TEST_F(ProbePathTest, AnAnswerThatWasNotAskedForChangesNothing) {
  peer.gets_ours = peer.reaches_us = false;
  run(seconds(5));
  EXPECT_FALSE(path.on_answer(now, {.kind = ProbeMessage::Kind::answer, .echo = 12345}, 60));
  EXPECT_FALSE(path.on_echo(now, 12345, 60));
  EXPECT_FALSE(path.view(now).last_heard);
  EXPECT_EQ(state(), PathState::never_seen);
}

TEST_F(ProbePathTest, AnAnswerCountsOnce) {
  const auto probe = path.send(now, seconds(1), nonces).at(0);
  const ProbeMessage answer{.kind = ProbeMessage::Kind::answer, .nonce = 9, .echo = probe.nonce};
  EXPECT_TRUE(path.on_answer(now, answer, 60));
  EXPECT_FALSE(path.on_answer(now, answer, 60));
}

TEST_F(ProbePathTest, ARequestProvesNothingWithoutANonceOfOurs) {
  const ProbeMessage forged{.nonce = 9, .echo = 12345, .echo_age_ms = 1};
  path.on_request(now, forged, 60, nonces);
  EXPECT_FALSE(path.view(now).last_heard);
  run(seconds(3));
  EXPECT_EQ(state(), PathState::ok) << "a red path does not come from it";
  const ProbeMessage good{.nonce = 10, .echo = heard, .echo_age_ms = 5};
  now += seconds(1);
  path.on_request(now, good, 60, nonces);
  EXPECT_EQ(path.view(now).last_heard, now);
}

}  // namespace
}  // namespace flannel::probe_path_test
