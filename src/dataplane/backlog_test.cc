// SPDX-License-Identifier: Apache-2.0
// What waits for what on the way out: super-packets for each other, the rest for its own flow.
#include "dataplane/backlog.h"

#include <gtest/gtest.h>

#include "dataplane/tx_path.h"
#include "support/fake_ports.h"
#include "support/slow_packets.h"

namespace flannel::backlog_test {
namespace {

using slow::Bytes;
using slow::Fields;

class BacklogTest : public testing::TestWithParam<Family> {
 protected:
  static bool v6() { return GetParam() == Family::v6; }
  void host_sends_super(unsigned port, std::size_t payload = 60000) {
    Bytes packet = slow::tcp_packet({.v6 = v6(), .source_port = port}, Bytes(payload));
    const Offload offload = slow::leave_undone(packet, Offload::Cut::tcp, 1000);
    tun_.host_sends(std::move(packet), offload);
  }
  void host_sends_small(unsigned port, std::size_t payload) {
    tun_.host_sends(slow::tcp_packet({.v6 = v6(), .source_port = port}, Bytes(payload)));
  }
  bool step() { return path_.step(table_, now_); }
  // Source ports of the TCP packets sent, each change once.
  std::string order() {
    std::string text;
    unsigned last = 0;
    for (const FakeUdp::Datagram& one : udp_.take_sent()) {
      const unsigned port = slow::get16(one.bytes, slow::ip_length(one.bytes));
      if (port == last) continue;
      text += (text.empty() ? "" : " ") + std::to_string(port);
      last = port;
    }
    return text;
  }

  FakeTun tun_;
  FakeUdp udp_;
  PacketTallies tallies_;
  TxPath path_{tun_, udp_, tallies_};
  TimePoint now_{std::chrono::hours(1)};
  static OverlayHost host() {
    OverlayHost host{.mtu = 1472};
    (v6() ? host.v6 : host.v4) = OwnSubnet{.subnet = slow::network(0x0a050100, v6()),
                                           .tunnel_address = slow::address(0x0a050100, v6())};
    return host;
  }
  ForwardTable table_{host(),
                      {{slow::network(0x0a050200, v6()), {IpAddress::v4(192, 0, 2, 2), 8285}}}};
};
INSTANTIATE_TEST_SUITE_P(Of, BacklogTest, testing::Values(Family::v4, Family::v6),
                         [](const auto& family) { return std::string(to_string(family.param)); });

TEST_P(BacklogTest, ASmallPacketOfAnotherFlowGoesBeforeSuperPackets) {
  for (int n = 0; n < 3; ++n)
    host_sends_super(1);
  host_sends_small(2, 10);
  while (step()) {
  }
  EXPECT_EQ(order(), "2 1");
}

TEST_P(BacklogTest, OneThatComesLaterWaitsForOneSuperPacketOnly) {
  for (int n = 0; n < 3; ++n)
    host_sends_super(1);
  step();
  host_sends_small(2, 10);
  while (step()) {
  }
  EXPECT_EQ(order(), "1 2 1");
}

TEST_P(BacklogTest, NothingOvertakesItsOwnFlow) {
  host_sends_super(1);
  host_sends_super(3);
  host_sends_small(1, 10);
  host_sends_small(3, 10);
  while (step()) {
  }
  EXPECT_EQ(order(), "1 3 1 3");
}

TEST_P(BacklogTest, AFragmentMayBelongToAnyFlowAndWaitsWithAllThatFollow) {
  host_sends_super(1);
  Fields fields{.v6 = v6(), .source_port = 2, .dont_fragment = false, .fragment = 1};
  if (v6()) fields.extensions = {44};
  Bytes fragment = slow::udp_packet(fields, Bytes(16));
  if (!v6()) fragment[6] = 0x20;
  slow::finish_ip(fragment);
  tun_.host_sends(fragment);
  host_sends_small(3, 10);
  while (step()) {
  }
  EXPECT_EQ(order(), "1 2 3");
  host_sends_super(1);
  host_sends_small(3, 10);
  while (step()) {
  }
  EXPECT_EQ(order(), "3 1") << "the fragment has gone";
}

TEST_P(BacklogTest, AnEndSendsAllThatWasRead) {
  for (int n = 0; n < 5; ++n)
    host_sends_super(1);
  step();
  path_.finish(table_, now_);
  EXPECT_EQ(tallies_.out_packets.get(), 5u * 60);
  EXPECT_FALSE(step());
}

TEST_P(BacklogTest, MoreThanItHoldsWaitsInTheDevice) {
  const std::size_t most = Backlog::kPlaces + 20;
  for (std::size_t n = 0; n < most; ++n)
    host_sends_super(1, 3000);
  while (step()) {
  }
  EXPECT_EQ(tallies_.out_packets.get(), 3 * most);
}

}  // namespace
}  // namespace flannel::backlog_test
