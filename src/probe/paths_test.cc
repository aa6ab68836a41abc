// SPDX-License-Identifier: Apache-2.0
#include "probe/paths.h"

#include <gtest/gtest.h>

namespace flannel::probe_paths_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const IpAddress kOurs = IpAddress::v4(10, 5, 0, 0);
const Mac kMac{{2, 0, 0, 0, 0, 1}};

ProbeTarget target(std::uint32_t number) {
  return {.subnet = IpPrefix::of(kOurs.plus(number, 8), 24),
          .peer = kOurs.plus(number, 8),
          .from = kOurs,
          .carrier = IpAddress::v4(192, 168, 0, 0).plus(number),
          .tunnel_port = 8472,
          .device = "flannel.1",
          .mac = kMac,
          .mtu = 1450};
}

class ProbePathsTest : public ::testing::Test {
 protected:
  void peers(std::uint32_t count) {
    std::vector<ProbeTarget> targets;
    for (std::uint32_t i = 1; i <= count; ++i)
      targets.push_back(target(i));
    paths.set(std::move(targets), now);
  }
  // Lets time pass; peers that are not silent answer. Returns the packets that were sent.
  std::size_t run(Duration time, std::uint32_t silent_from = 1 << 20) {
    std::size_t sent = 0;
    for (const TimePoint end = now + time; now < end; now += milliseconds(20)) {
      for (const auto& packet : paths.tick(now)) {
        ++sent;
        bytes += packet.bytes.size();
        if (packet.kind == ProbePaths::Outgoing::Kind::overlay) answer(packet, silent_from);
      }
    }
    return sent;
  }
  void answer(const ProbePaths::Outgoing& packet, std::uint32_t silent_from) {
    const auto probe = read_probe(packet.bytes);
    if (!probe || packet.to.steps_after(kOurs, 8) >= silent_from) return;
    const auto& request = std::get<ProbeMessage>(probe->content);
    arrive({.from = packet.to,
            .to = kOurs,
            .size = request.size,
            .content = ProbeMessage{.kind = ProbeMessage::Kind::answer,
                                    .size = probe->size,
                                    .nonce = ++counter,
                                    .echo = request.nonce}});
  }
  ProbePaths::Reaction arrive(const ArrivedProbe& probe, const Mac& mac = kMac) {
    return paths.on_arrival(now, {probe, "flannel.1", mac});
  }
  std::size_t count(PathState state) const { return paths.count(state); }
  ArrivedProbe request_of(std::uint32_t number) {
    return {.from = target(number).subnet.base,
            .to = kOurs,
            .size = 60,
            .content = ProbeMessage{.size = 1450, .nonce = ++counter}};
  }

  std::uint64_t counter = 1;
  ProbePaths paths{[this] { return ++counter; }};
  TimePoint now{seconds(1000)};
  std::size_t bytes = 0;
};

TEST_F(ProbePathsTest, FewPeersAreProbedAboutOnceASecondEach) {
  peers(3);
  run(seconds(5));
  const std::size_t sent = run(seconds(60));
  EXPECT_GE(sent, 150U);
  EXPECT_LE(sent, 190U);
}

TEST_F(ProbePathsTest, OneThatDiesAmongFiftyIsDownWithinTenSeconds) {
  peers(50);
  run(seconds(60));
  for (int i = 0; i < 10; ++i) {  // whatever the moment
    run(milliseconds(700 * i));
    run(seconds(10), 50);
    EXPECT_EQ(count(PathState::unreachable), 1U) << i;
    run(seconds(60));
    EXPECT_EQ(count(PathState::ok), 50U);
  }
}

TEST_F(ProbePathsTest, AThousandPeersAreCoveredWithinAMinuteByFewProbes) {
  peers(1000);
  run(seconds(20));
  EXPECT_EQ(count(PathState::ok), 1000U) << "new ones are probed first";
  run(seconds(120));
  bytes = 0;
  const std::size_t sent = run(seconds(120));
  EXPECT_GE(sent, 2000U);
  EXPECT_LE(sent, 3300U) << "two rounds, and a long packet to each";
  EXPECT_LE(bytes / 120, 17'000U) << "bytes a second";
}

TEST_F(ProbePathsTest, OneSilentPeerOfAThousandIsAskedAgainAtOnce) {
  peers(1000);
  run(seconds(30));
  run(seconds(70), 1000);
  EXPECT_EQ(count(PathState::unreachable), 1U);
  EXPECT_EQ(count(PathState::ok), 999U);
}

TEST_F(ProbePathsTest, IfAllAreSilentTheRateIsBounded) {
  peers(1000);
  run(seconds(200));  // long probes are due by then, and wait while short ones are lost
  run(seconds(90), 0);
  EXPECT_EQ(count(PathState::unreachable), 1000U);
  const std::size_t sent = run(seconds(60), 0);
  EXPECT_LE(sent, 60U * 3 * 210) << "a message, an echo, and an echo of the underlay";
}

TEST_F(ProbePathsTest, ARequestIsAnsweredAndNeverByMoreBytes) {
  peers(2);
  const auto reaction = arrive(request_of(1));
  ASSERT_TRUE(reaction.send);
  EXPECT_EQ(reaction.send->bytes.size(), 60U);
  EXPECT_EQ(reaction.send->to, target(1).subnet.base);
}

TEST_F(ProbePathsTest, StrangersGetNoAnswer) {
  peers(2);
  EXPECT_FALSE(arrive(request_of(3)).send) << "no peer";
  auto probe = request_of(1);
  probe.to = IpAddress::v4(10, 5, 9, 0);
  EXPECT_FALSE(arrive(probe).send) << "not to us";
  EXPECT_FALSE(arrive(request_of(1), Mac{{2, 0, 0, 0, 0, 9}}).send) << "another VTEP";
  probe = request_of(1);
  probe.from = probe.from.plus(1);
  EXPECT_FALSE(arrive(probe).send) << "a container";
}

TEST_F(ProbePathsTest, AnswersOfAPathAreLimited) {
  peers(2);
  int answers = 0;
  for (int i = 0; i < 1000; ++i)
    answers += arrive(request_of(1)).send ? 1 : 0;
  EXPECT_EQ(answers, 2 * ProbePaths::kAnswersOfPath);
  EXPECT_TRUE(arrive(request_of(2)).send) << "another peer has its own limit";
}

TEST_F(ProbePathsTest, VeryManyPeersGetTheirAnswers) {
  constexpr std::uint32_t kPeers = 40'000;
  peers(kPeers);
  std::uint32_t answers = 0;
  for (std::uint32_t i = 1; i <= kPeers; ++i, now += milliseconds(1))
    answers += arrive(request_of(i)).send ? 1 : 0;
  EXPECT_EQ(answers, kPeers) << "a thousand a second";
}

TEST_F(ProbePathsTest, ARecordStaysUnlessThePathIsAnother) {
  peers(2);
  run(seconds(3));
  ASSERT_EQ(count(PathState::ok), 2U);
  auto moved = target(2);
  moved.carrier = IpAddress::v4(192, 0, 2, 9);
  paths.set({target(1), moved}, now);
  EXPECT_EQ(paths.view(now, target(1).subnet)->state, PathState::ok);
  EXPECT_EQ(paths.view(now, moved.subnet)->state, PathState::never_seen);
  paths.set({}, now);
  EXPECT_EQ(paths.wakeup(now), kNever);
  EXPECT_FALSE(paths.view(now, target(1).subnet));
}

TEST_F(ProbePathsTest, APathThatIsNoTargetAnyMoreIsNotAsked) {
  peers(2);
  run(seconds(3));
  peers(1);
  std::size_t sent = 0;
  for (const TimePoint end = now + seconds(10); now < end; now += milliseconds(20)) {
    for (const auto& packet : paths.tick(now)) {
      ++sent;
      EXPECT_EQ(packet.to, target(1).subnet.base);
      answer(packet, 2);
    }
  }
  EXPECT_GT(sent, 5U);
}

TEST_F(ProbePathsTest, ThePublicIpAnswersForEachPathBehindIt) {
  auto second = target(2);
  second.carrier = target(1).carrier;
  paths.set({target(1), second, target(3)}, now);
  for (const TimePoint end = now + seconds(10); now < end; now += milliseconds(20)) {
    for (const auto& packet : paths.tick(now)) {
      if (packet.kind != ProbePaths::Outgoing::Kind::underlay) continue;
      if (packet.to == second.carrier) {
        paths.on_underlay(now, packet.to, load_be64(packet.bytes, 8));
      }
    }
  }
  EXPECT_EQ(paths.view(now, target(1).subnet)->underlay_answers, true);
  EXPECT_EQ(paths.view(now, second.subnet)->underlay_answers, true);
  EXPECT_EQ(paths.view(now, target(3).subnet)->underlay_answers, false);
}

TEST_F(ProbePathsTest, WithoutAnEncapsulationTheBridgeAnswersTheEcho) {
  auto bare = target(1);
  bare.tunnel_port.reset();
  bare.mac.reset();
  bare.answers = false;
  paths.set({bare}, now);
  const auto sent = paths.tick(now);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].to, bare.subnet.base.plus(1));
  auto packet = sent[0].bytes;
  packet[20] = 0;
  auto answer = read_probe(packet);
  ASSERT_TRUE(answer);
  std::swap(answer->from, answer->to);
  EXPECT_TRUE(arrive(*answer).answered);
  EXPECT_EQ(count(PathState::ok), 1U);
}

}  // namespace
}  // namespace flannel::probe_paths_test
