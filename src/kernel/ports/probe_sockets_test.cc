// SPDX-License-Identifier: Apache-2.0
// Topology:  eth0 ── eth0-peer, both in the test's own namespace. Packets to peers leave by eth0,
// and come in by eth0-peer as if that were a device of this host.
#include "kernel/ports/probe_sockets.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "net/ip_header.h"
#include "support/fresh_netns.h"
#include "support/hand_loop.h"

namespace flannel::probe_sockets_test {
namespace {

class ProbeSocketsTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    shell(
        "ip link set eth0 address 02:00:00:00:00:01;"
        "ip route add 10.5.2.0/24 dev eth0;"
        "ip link set eth0-peer address 02:00:00:00:00:09;"
        "ip neigh add 10.5.2.0 lladdr 02:00:00:00:00:09 dev eth0;"
        "ip -6 addr add 2001:db8::1/64 dev eth0 nodad;"
        "ip -6 route add fd00:5:0:2::/64 dev eth0;"
        "ip -6 neigh add fd00:5:0:2:: lladdr 02:00:00:00:00:09 dev eth0");
    auto opened = ProbeSockets::open(
        loop_, {.on_arrival = [this](const auto& arrival) { take(arrival); },
                .on_underlay =
                    [this](const IpAddress& from, std::uint64_t nonce) {
                      said_ += to_string(from) + " answers " + std::to_string(nonce) + "\n";
                    }});
    if (!opened) throw std::runtime_error(opened.error().text);
    sockets_ = *std::move(opened);
    sockets_->listen(devices());
  }

  static ProbeRoute route(Family family) {
    if (family == Family::v4) return {IpAddress::v4(10, 5, 1, 0), IpAddress::v4(10, 5, 2, 0), 1};
    return {IpAddress::parse("fd00:5:0:1::").value(), IpAddress::parse("fd00:5:0:2::").value(), 1};
  }
  static std::vector<ProbeDevice> devices() {
    return {{"eth0-peer", route(Family::v4).to}, {"eth0-peer", route(Family::v6).to}};
  }
  void take(const ProbePaths::Arrival& arrival) {
    checksum_ = arrival.probe.checksum;
    const auto* message = std::get_if<ProbeMessage>(&arrival.probe.content);
    said_ +=
        std::string(arrival.device) + " " + (arrival.mac ? to_string(*arrival.mac) : "-") + " " +
        to_string(arrival.probe.from) + " " + std::to_string(arrival.probe.size) + " " +
        std::to_string(message ? message->nonce : std::get<std::uint64_t>(arrival.probe.content)) +
        "\n";
  }
  void send(std::vector<std::uint8_t> packet, const IpAddress& to) {
    sockets_->send({.to = to, .bytes = std::move(packet)});
  }
  void send_probe(const ProbeRoute& by, std::uint64_t nonce, std::uint16_t size = 100) {
    send(probe_packet(by, {.nonce = nonce}, size), by.to);
  }
  // What has come in until something has, which is waited for.
  std::string heard() {
    for (int i = 0; i < 500 && said_.empty(); ++i) {
      loop_.turn();
      if (said_.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return std::exchange(said_, {});
  }

  HandLoop loop_;
  std::string said_;
  ProbeMessage::Checksum checksum_{};  // The checksum of the last packet was so.
  std::unique_ptr<ProbeSockets> sockets_;
};

TEST_F(ProbeSocketsTest, AProbeComesInWithTheMacOfItsSender) {
  for (const Family family : kFamilies) {
    send_probe(route(family), 7, 1400);
    EXPECT_EQ(heard(),
              "eth0-peer 02:00:00:00:00:01 " + to_string(route(family).from) + " 1400 7\n");
  }
}

// eth0 is able to fill checksums in, and the sockets see whether one is left to it.
TEST_F(ProbeSocketsTest, OfAnOrdinaryDatagramTheKernelMakesThePacket) {
  sockets_->listen({{"eth0-peer", route(Family::v4).to},
                    {"eth0-peer", route(Family::v6).to},
                    {"lo", route(Family::v4).from},
                    {"lo", route(Family::v6).from}});
  shell(
      "nft add table inet t; nft 'add chain inet t out { type filter hook postrouting priority 0; "
      "}'; nft 'add rule inet t out udp dport 8286 ip ttl 1 counter';"
      "nft 'add rule inet t out udp dport 8286 ip6 hoplimit 1 counter'");
  for (const Family family : kFamilies) {
    const ProbeRoute by = route(family);
    sockets_->send({.kind = ProbePaths::Outgoing::Kind::ordinary,
                    .to = by.to,
                    .bytes = probe_packet(by, {.nonce = 7}, 100)});
    EXPECT_EQ(heard(), "eth0-peer 02:00:00:00:00:01 " + to_string(by.from) + " 100 7\n");
  }
  EXPECT_EQ(shell("nft list ruleset | grep -c 'packets 1 '"), "2\n");
}

TEST_F(ProbeSocketsTest, AWrongChecksumIsSeen) {
  const ProbeRoute by = route(Family::v4);
  auto packet = probe_packet(by, {.nonce = 7}, 100);
  send(packet, by.to);
  heard();
  EXPECT_EQ(checksum_, ProbeMessage::Checksum::right);
  packet.back() ^= 1U;
  send(packet, by.to);
  heard();
  EXPECT_EQ(checksum_, ProbeMessage::Checksum::wrong);
}

// An ordinary datagram that has not left this host has no checksum yet.
TEST_F(ProbeSocketsTest, AChecksumThatIsLeftToADeviceOfThisHostIsRight) {
  sockets_->listen({{"eth0-peer", route(Family::v4).to}, {"lo", route(Family::v4).from}});
  const ProbeRoute by = route(Family::v4);
  const auto send_it = [&] {
    sockets_->send({.kind = ProbePaths::Outgoing::Kind::ordinary,
                    .to = by.to,
                    .bytes = probe_packet(by, {.nonce = 7}, 100)});
    heard();
  };
  send_it();
  EXPECT_EQ(checksum_, ProbeMessage::Checksum::right);
  // What takes one for sent, and changes it, is seen only if eth0 fills it in.
  shell(
      "nft add table ip t; nft 'add chain ip t out { type filter hook postrouting priority 0; }';"
      "nft 'add rule ip t out udp dport 8286 udp checksum set 0x1234'; ethtool -K eth0 tx off");
  send_it();
  EXPECT_EQ(checksum_, ProbeMessage::Checksum::wrong);
}

TEST_F(ProbeSocketsTest, ItComesInAlsoIfThePacketFilterRefusesAll) {
  shell(
      "nft add table inet t; nft 'add chain inet t in { type filter hook input priority 0; policy "
      "drop; }';"
      "nft 'add chain inet t forwarded { type filter hook forward priority 0; policy drop; }'");
  send_probe(route(Family::v4), 7);
  EXPECT_EQ(heard(), "eth0-peer 02:00:00:00:00:01 10.5.1.0 100 7\n");
}

TEST_F(ProbeSocketsTest, OtherPacketsDoNotComeIn) {
  ProbeRoute elsewhere = route(Family::v4);
  elsewhere.to = elsewhere.to.plus(1);
  shell("ip neigh add 10.5.2.1 lladdr 02:00:00:00:00:09 dev eth0");
  send_probe(elsewhere, 1);
  auto other_port = probe_packet(route(Family::v4), {.nonce = 2}, 100);
  other_port[23] ^= 1;
  send(other_port, route(Family::v4).to);
  send(echo_packet(route(Family::v4), 3, 100), route(Family::v4).to);  // a request
  send_probe(route(Family::v4), 4);
  EXPECT_EQ(heard(), "eth0-peer 02:00:00:00:00:01 10.5.1.0 100 4\n");
}

TEST_F(ProbeSocketsTest, AnEchoIsHeardByItsAnswer) {
  for (const Family family : kFamilies) {
    auto answer = echo_packet(route(family), 9, 100);
    answer[ip_header_min(family)] = family == Family::v4 ? 0 : 129;
    send(answer, route(family).to);
    EXPECT_EQ(heard(), "eth0-peer 02:00:00:00:00:01 " + to_string(route(family).from) + " 100 9\n");
  }
}

TEST_F(ProbeSocketsTest, ADeviceThatIsMadeAnewIsHeard) {
  shell(
      "ip link del eth0; ip link add eth0 type veth peer name eth0-peer;"
      "ip link set eth0 address 02:00:00:00:00:02 up; ip link set eth0-peer address "
      "02:00:00:00:00:09 up;"
      "ip route add 10.5.2.0/24 dev eth0;"
      "ip neigh add 10.5.2.0 lladdr 02:00:00:00:00:09 dev eth0");
  sockets_->listen(devices());
  send_probe(route(Family::v4), 5);
  EXPECT_EQ(heard(), "eth0-peer 02:00:00:00:00:02 10.5.1.0 100 5\n");
  sockets_->listen({});
  EXPECT_EQ(shell("cat /proc/net/packet | wc -l"), "1\n") << "the heading";
}

TEST_F(ProbeSocketsTest, AHostAnswersAnEchoOnTheUnderlay) {
  const IpAddress v4 = IpAddress::v4(192, 0, 2, 1);
  sockets_->send({.kind = ProbePaths::Outgoing::Kind::underlay,
                  .to = v4,
                  .bytes = echo_message(Family::v4, 8)});
  EXPECT_EQ(heard(), "192.0.2.1 answers 8\n");
  const IpAddress v6 = IpAddress::parse("::1").value();
  sockets_->send({.kind = ProbePaths::Outgoing::Kind::underlay,
                  .to = v6,
                  .bytes = echo_message(Family::v6, 9)});
  EXPECT_EQ(heard(), "::1 answers 9\n");
}

// The kernel of a host that has the address would answer "port unreachable".
TEST_F(ProbeSocketsTest, TheKernelDoesNotRefuseThePort) {
  EXPECT_NE(shell("ss -lnu").find("10.5.2.0:8286"), std::string::npos);
  EXPECT_NE(shell("ss -lnu").find("[fd00:5:0:2::]:8286"), std::string::npos);
}

}  // namespace
}  // namespace flannel::probe_sockets_test
