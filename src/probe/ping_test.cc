// SPDX-License-Identifier: Apache-2.0
#include "probe/ping.h"

#include <gtest/gtest.h>

namespace flannel::probe_ping_test {
namespace {

using std::chrono::milliseconds;

const IpAddress kOurs = IpAddress::v4(10, 5, 1, 0);
const IpAddress kPeer = IpAddress::v4(10, 5, 2, 0);
const IpAddress kContainer = IpAddress::v4(10, 5, 2, 10);
const IpAddress kCarrier = IpAddress::v4(192, 0, 2, 2);

class PingTest : public ::testing::Test {
 protected:
  PingTest() {
    paths.set({{.subnet = IpPrefix::of(kPeer, 24),
                .from = kOurs,
                .carrier = kCarrier,
                .tunnel_port = 8472,
                .device = "flannel.1",
                .mtu = 1450}},
              now);
  }
  // The nonce of the packet that goes to this address.
  static std::uint64_t nonce_to(const std::vector<ProbePaths::Outgoing>& packets,
                                const IpAddress& to, std::size_t at) {
    for (const auto& packet : packets) {
      if (packet.to == to) return load_be64(packet.bytes, at);
    }
    return 0;
  }

  std::uint64_t counter = 100;
  Nonces nonces = [this] { return ++counter; };
  TimePoint now{std::chrono::seconds(1000)};
  ProbePaths paths{nonces};
};

TEST_F(PingTest, APeerIsAskedOverOverlayAndUnderlay) {
  PingRun run({.base = kPeer, .sizes = {1400, 2000}}, now);
  const auto packets = run.begin(paths, nonces);
  ASSERT_EQ(packets.size(), 2U);
  EXPECT_EQ(packets[0].bytes.size(), 1400U);
  const auto request = std::get<ProbeMessage>(read_probe(packets[0].bytes)->content);
  EXPECT_EQ(request.size, 1400) << "an answer is never longer than its request";
  run.on_underlay(now + milliseconds(1), kCarrier, nonce_to(packets, kCarrier, 8));
  EXPECT_FALSE(run.is_complete());
  run.on_answered({.nonce = request.nonce, .rtt = milliseconds(2), .arrived = {1400, 1400}});
  EXPECT_TRUE(run.is_complete());
  EXPECT_EQ(run.outcome().underlay, milliseconds(1));
  EXPECT_EQ(run.outcome().overlay, milliseconds(2));
}

TEST_F(PingTest, AContainerIsAskedAsWell) {
  PingRun run({.base = kPeer, .container = kContainer}, now);
  const auto packets = run.begin(paths, nonces);
  ASSERT_EQ(packets.size(), 3U);
  const std::uint64_t nonce = nonce_to(packets, kContainer, 28);
  run.on_arrival(now + milliseconds(3), {.from = kPeer, .to = kOurs, .content = nonce});
  EXPECT_FALSE(run.outcome().container) << "of another address";
  run.on_arrival(now + milliseconds(3), {.from = kContainer, .to = kOurs, .content = nonce + 1});
  EXPECT_FALSE(run.outcome().container) << "of another ping";
  run.on_arrival(now + milliseconds(3), {.from = kContainer, .to = kOurs, .content = nonce});
  EXPECT_EQ(run.outcome().container, milliseconds(3));
  EXPECT_FALSE(run.is_complete()) << "the peer has not answered";
}

TEST_F(PingTest, AnOwnContainerIsAskedByTheHostItself) {
  PingRun run({.base = kOurs, .container = kOurs.plus(10), .is_own = true}, now);
  const auto packets = run.begin(paths, nonces);
  ASSERT_EQ(packets.size(), 1U);
  run.on_underlay(now + milliseconds(1), kOurs.plus(10), load_be64(packets[0].bytes, 8));
  EXPECT_TRUE(run.is_complete());
}

TEST_F(PingTest, WithoutAPathNothingIsSent) {
  PingRun run({.base = IpAddress::v4(10, 5, 9, 0)}, now);
  EXPECT_TRUE(run.begin(paths, nonces).empty());
}

}  // namespace
}  // namespace flannel::probe_ping_test
