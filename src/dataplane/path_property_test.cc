// SPDX-License-Identifier: Apache-2.0
// Two hosts back to back: whatever one is given to send, the other hands to its host: every packet,
// once, in the order of its flow, two hops older, byte for byte.
#include <gtest/gtest.h>

#include <random>

#include "dataplane/rx_path.h"
#include "dataplane/tx_path.h"
#include "support/fake_ports.h"
#include "support/random_traffic.h"

namespace flannel::path_property_test {
namespace {

using slow::Bytes;

constexpr IpEndpoint kHost1{IpAddress::v4(192, 0, 2, 1), 8285};
constexpr IpEndpoint kHost2{IpAddress::v4(192, 0, 2, 2), 8285};

// Of both families.
ForwardTable table(std::uint32_t own, std::uint32_t peer, const IpEndpoint& at) {
  const auto part = [&](bool v6) {
    return OwnSubnet{.subnet = slow::network(own, v6), .tunnel_address = slow::address(own, v6)};
  };
  return {{.v4 = part(false), .v6 = part(true), .mtu = 1472},
          {{slow::network(peer, false), at}, {slow::network(peer, true), at}}};
}

class BackToBack : public testing::TestWithParam<unsigned> {
 protected:
  // What a network card of the receiver does: datagrams of one length in a row become a run, of
  // any number, the last may be shorter.
  void carry_over() {
    const auto sent = udp1_.take_sent();
    for (std::size_t at = 0; at < sent.size();) {
      ASSERT_EQ(sent[at].to, kHost2);
      const std::size_t segment = sent[at].bytes.size();
      const std::size_t most = 1 + random_() % 64;
      Bytes run;
      std::size_t count = 0;
      bool closed = false;
      while (at < sent.size() && count < most && !closed && sent[at].bytes.size() <= segment &&
             run.size() + sent[at].bytes.size() <= kMaxUdpPayload) {
        run.insert(run.end(), sent[at].bytes.begin(), sent[at].bytes.end());
        closed = sent[at].bytes.size() < segment;
        ++count, ++at;
      }
      udp2_.arrives(kHost1.ip, run, segment);
    }
  }

  void host1_sends(int packets) {
    for (int n = 0; n < packets; ++n) {
      const slow::Sent one = traffic_.next();
      for (const Bytes& packet : slow::cut(one.packet, one.offload)) {
        slow::add_to_flow(expected_, slow::with_ttl(packet, 62));
      }
      tun1_.host_sends(one.packet, one.offload);
    }
  }

  void host2_receives() {
    for (const FakeTun::Frame& frame : tun2_.take_written()) {
      for (const Bytes& packet : slow::cut(frame.bytes, frame.offload)) {
        slow::add_to_flow(received_, packet);
      }
    }
  }

  std::mt19937 random_{GetParam()};
  slow::RandomTraffic traffic_{[this] { return static_cast<std::uint32_t>(random_()); }};
  FakeTun tun1_, tun2_;
  FakeUdp udp1_, udp2_;
  PacketTallies tallies1_, tallies2_;
  TxPath tx_{tun1_, udp1_, tallies1_};
  RxPath rx_{udp2_, tun2_, tallies2_};
  ForwardTable table1_ = table(0x0a050100, 0x0a050200, kHost2);
  ForwardTable table2_ = table(0x0a050200, 0x0a050100, kHost1);
  TimePoint now_{std::chrono::hours(1)};
  slow::Flows expected_;
  slow::Flows received_;
};

TEST_P(BackToBack, NothingIsLostDoubledOrOvertaken) {
  if (GetParam() % 5 == 0) udp1_.run_result = Sent::cannot_cut;
  if (GetParam() % 7 == 0) tun2_.super_result = TunWrite::refused;
  for (int burst = 0; burst < 5; ++burst) {
    host1_sends(static_cast<int>(1 + random_() % 100));
    while (tx_.step(table1_, now_)) {
      if (random_() % 8 == 0) tx_.finish(table1_, now_);
      if (random_() % 16 == 0) host1_sends(static_cast<int>(random_() % 20));
      carry_over();
      while (rx_.step(table2_, now_)) {
      }
      host2_receives();
    }
    now_ += std::chrono::seconds(random_() % 3);
  }
  ASSERT_EQ(received_.size(), expected_.size());
  for (const auto& [flow, packets] : expected_) {
    ASSERT_EQ(received_[flow].size(), packets.size());
    for (std::size_t n = 0; n < packets.size(); ++n) {
      const Bytes& got = received_[flow][n];
      ASSERT_EQ(got.size(), packets[n].size()) << "packet " << n;
      const auto differs = std::ranges::mismatch(got, packets[n]).in1 - got.begin();
      ASSERT_EQ(got, packets[n]) << "packet " << n << " from byte " << differs;
    }
  }
  PacketCounts all;
  all.add(tallies1_);
  all.add(tallies2_);
  EXPECT_EQ(all.dropped(), 0u);
  EXPECT_EQ(all.in_packets, all.out_packets);
  EXPECT_EQ(all.in_bytes, all.out_bytes);
}

INSTANTIATE_TEST_SUITE_P(Seed, BackToBack, testing::Range(1u, 31u));

}  // namespace
}  // namespace flannel::path_property_test
