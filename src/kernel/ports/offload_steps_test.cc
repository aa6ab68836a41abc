// SPDX-License-Identifier: Apache-2.0
// Kernels with fewer offloads: each step down carries the same packets, and is logged once.
//
//   this host: flannel0, 10.5.1.0/16 and fd00:a05:0:1::/48; 192.0.2.1:8285
//   a peer: 192.0.2.2:8285, a socket of ours
#include <gtest/gtest.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/packet_threads.h"
#include "kernel/ports/queue_pair.h"
#include "net/socket_address.h"
#include "support/fresh_netns.h"
#include "support/slow_packets.h"

namespace flannel::offload_steps_test {
namespace {

using slow::Bytes;

struct Step {
  TunAbilities tun;
  UdpAbilities udp;
  std::size_t said;  // number of log lines
  std::string text;
};

class OffloadSteps : public NetnsTest,
                     public testing::WithParamInterface<std::tuple<Step, Family>> {
 protected:
  static const Step& wanted() { return std::get<Step>(GetParam()); }
  static bool v6() { return std::get<Family>(GetParam()) == Family::v6; }
  static std::size_t header() { return v6() ? 48 : 28; }  // of IP and UDP
  template <typename T>
  static T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().text);
    return *std::move(result);
  }
  void open() {
    TunDevice device = must(open_tun({.wanted = wanted().tun}));
    EXPECT_EQ(device.abilities, wanted().tun);
    shell("ip addr add 192.0.2.2/32 dev lo; ip addr add 10.5.1.0/16 dev flannel0");
    shell("ip link set flannel0 mtu 1472 up");
    add_ip6("fd00:a05:0:1::", 48, "flannel0");
    UdpSockets ours =
        must(open_udp({.local = {{IpAddress::v4(192, 0, 2, 1), 8285}}, .wanted = wanted().udp}));
    EXPECT_EQ(ours.abilities, wanted().udp);
    std::vector<QueuePair> queue_pairs;
    queue_pairs.push_back(must(open_queue_pair(std::move(device.queues[0]), device.abilities,
                                               std::move(ours.queues[0]), ours.abilities)));
    path_ = std::make_unique<PacketThreads>(
        std::move(queue_pairs),
        std::make_shared<ForwardTable>(
            OverlayHost{.v4 = own(false), .v6 = own(true), .mtu = 1472},
            std::vector<OverlayPeer>{{slow::network(kThere, false), kPeer},
                                     {slow::network(kThere, true), kPeer}}),
        PacketThreads::Options{});
    ASSERT_TRUE(path_->start());
    peer_ = socket_at({IpAddress::v4(192, 0, 2, 2), 8285}, {IpAddress::v4(192, 0, 2, 1), 8285});
    host_ = socket_at({slow::address(kHere, v6()), 7000}, {slow::address(kThere, v6()), 7000});
  }
  static OwnSubnet own(bool v6) {
    return {.subnet = slow::network(kHere, v6), .tunnel_address = slow::address(kHere, v6)};
  }
  static Fd socket_at(const IpEndpoint& local, const IpEndpoint& remote) {
    Fd socket{::socket(socket_family(local.ip.family), SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    const SocketAddress here(local);
    const SocketAddress there(remote);
    const timeval patience{10, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::bind(socket.get(), here.data(), here.size()) != 0 ||
        ::connect(socket.get(), there.data(), there.size()) != 0) {
      throw std::runtime_error("bind and connect a socket");
    }
    return socket;
  }
  static Bytes receive(const Fd& socket) {
    Bytes bytes(4000);
    const ssize_t size = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
    bytes.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return bytes;
  }

  static constexpr std::uint32_t kHere = 0x0a050100;
  static constexpr std::uint32_t kThere = 0x0a050203;
  static constexpr IpEndpoint kPeer{IpAddress::v4(192, 0, 2, 2), 8285};
  std::unique_ptr<PacketThreads> path_;
  Fd peer_, host_;
};

TEST_P(OffloadSteps, CarriesTheSamePacketsAndIsLogged) {
  testing::internal::CaptureStderr();
  open();
  // The host's kernel may make one super-packet of these datagrams, but must not pass it to a
  // device that lacks the offload.
  const int segment = 500;
  ::setsockopt(host_.get(), SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
  const Bytes payload(2300, 'x');
  ASSERT_EQ(::send(host_.get(), payload.data(), payload.size(), 0), 2300);
  for (const std::size_t length : {500, 500, 500, 500, 300}) {
    const Bytes datagram = receive(peer_);
    ASSERT_EQ(datagram.size(), header() + length);
    EXPECT_TRUE(slow::has_right_checksums(datagram));
  }
  for (unsigned n = 0; n < 20; ++n) {
    const Bytes packet = slow::udp_packet({.v6 = v6(),
                                           .source = kThere,
                                           .destination = kHere,
                                           .source_port = 7000,
                                           .destination_port = 7000,
                                           .id = n},
                                          Bytes(100, static_cast<std::uint8_t>(n)));
    ASSERT_EQ(::send(peer_.get(), packet.data(), packet.size(), 0),
              static_cast<ssize_t>(header() + 100));
  }
  for (unsigned n = 0; n < 20; ++n)
    EXPECT_EQ(receive(host_), Bytes(100, static_cast<std::uint8_t>(n)));
  path_.reset();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::ranges::count(log, '\n'), static_cast<std::ptrdiff_t>(wanted().said)) << log;
  EXPECT_NE(log.find(wanted().text), std::string::npos) << log;
}

constexpr UdpAbilities kAllOfUdp{.cut = true, .join = true};
constexpr TunAbilities kAllOfTun{.header = true, .tcp = true, .udp = true};

INSTANTIATE_TEST_SUITE_P(
    Steps, OffloadSteps,
    testing::Combine(
        testing::Values(
            Step{kAllOfTun, kAllOfUdp, 0, ""},
            Step{{.header = true, .tcp = true, .udp = false}, kAllOfUdp, 1, "has=tcp"},
            Step{{.header = true, .tcp = false, .udp = false}, kAllOfUdp, 1, "has=checksum"},
            Step{{.header = false, .tcp = false, .udp = false}, kAllOfUdp, 1, "has=none"},
            Step{kAllOfTun, {.cut = true, .join = false}, 1, "cuts=true joins=false"},
            Step{kAllOfTun, {.cut = false, .join = false}, 1, "cuts=false joins=false"},
            Step{{.header = false, .tcp = false, .udp = false},
                 {.cut = false, .join = false},
                 2,
                 ""}),
        testing::Values(Family::v4, Family::v6)),
    [](const auto& step) { return "Step" + std::to_string(step.index); });

}  // namespace
}  // namespace flannel::offload_steps_test
