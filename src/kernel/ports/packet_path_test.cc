// SPDX-License-Identifier: Apache-2.0
// The packet path over a TUN device and UDP sockets of the real kernel, in a network namespace of
// the test, with each family inside and outside.
#include "dataplane/packet_threads.h"

#include <gtest/gtest.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include <thread>

#include "kernel/ports/queue_pair.h"
#include "net/socket_address.h"
#include "support/fresh_netns.h"
#include "support/slow_packets.h"

namespace flannel::packet_path_test {
namespace {

using slow::Bytes;

struct Families {
  Family inside;
  Family outside;
};

// A host: flannel0 with 10.5.1.0/16 and fd00:a05:0:1::/48, and the underlay 192.0.2.1 and
// 2001:db8::1; a peer at 192.0.2.2 and 2001:db8::2 is a socket of the test.
class PacketPathTest : public NetnsTest, public testing::WithParamInterface<Families> {
 protected:
  template <typename T>
  static T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().text);
    return *std::move(result);
  }
  static bool v6() { return GetParam().inside == Family::v6; }
  static IpEndpoint outside(const char* v4, const char* v6) {
    return {*IpAddress::parse(GetParam().outside == Family::v4 ? v4 : v6), 8285};
  }
  static IpEndpoint ours() { return outside("192.0.2.1", "2001:db8::1"); }
  static IpEndpoint peers() { return outside("192.0.2.2", "2001:db8::2"); }
  static constexpr std::uint32_t kHere = 0x0a050100;
  static constexpr std::uint32_t kThere = 0x0a050203;

  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    if (::access("/dev/net/tun", R_OK | W_OK) != 0) {
      GTEST_SKIP() << "SKIPPED, NOTHING WAS TESTED: no /dev/net/tun";
    }
    shell("ip addr add 192.0.2.2/32 dev lo");
    add_ip6("2001:db8::1", 64, "eth0");
    add_ip6("2001:db8::2", 128, "lo");
    TunDevice device = must(open_tun({}));
    shell("ip addr add 10.5.1.0/16 dev flannel0; ip link set flannel0 mtu 1452 up");
    add_ip6("fd00:a05:0:1::", 48, "flannel0");
    UdpSockets sockets = must(open_udp({.local = {ours()}}));
    queue_pair_ = must(open_queue_pair(std::move(device.queues[0]), device.abilities,
                                       std::move(sockets.queues[0]), sockets.abilities));
    UdpSockets theirs = must(open_udp({.local = {peers()}}));
    peer_socket_ = theirs.queues[0][0].fd.get();
    peer_ = std::make_unique<UdpSocketPort>(std::move(theirs.queues[0]), theirs.abilities);
  }
  static std::shared_ptr<const ForwardTable> table() {
    const auto own = [](bool v6) {
      return OwnSubnet{.subnet = slow::network(kHere, v6),
                       .tunnel_address = slow::address(kHere, v6)};
    };
    return std::make_shared<ForwardTable>(
        OverlayHost{.v4 = own(false), .v6 = own(true), .mtu = 1452},
        std::vector<OverlayPeer>{{slow::network(kThere, false), peers()},
                                 {slow::network(kThere, true), peers()}});
  }
  std::unique_ptr<PacketThreads> start() {
    std::vector<QueuePair> queue_pairs;
    queue_pairs.push_back(std::move(queue_pair_));
    auto path =
        std::make_unique<PacketThreads>(std::move(queue_pairs), table(), PacketThreads::Options{});
    const auto started = path->start();
    if (!started) throw std::runtime_error(started.error().text);
    return path;
  }
  // A socket of this host in the overlay.
  static Fd overlay_socket(int type, std::uint32_t to = kThere, int segment = 0) {
    Fd socket{::socket(socket_family(GetParam().inside), type | SOCK_CLOEXEC, 0)};
    const SocketAddress local({slow::address(kHere, v6()), 7000});
    const SocketAddress remote({slow::address(to, v6()), 7000});
    if (segment > 0) ::setsockopt(socket.get(), SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
    const timeval patience{5, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::bind(socket.get(), local.data(), local.size()) != 0 ||
        (type == SOCK_DGRAM && ::connect(socket.get(), remote.data(), remote.size()) != 0)) {
      throw std::runtime_error(std::strerror(errno));
    }
    return socket;
  }
  // The next `count` datagrams that arrive at the peer, except those of neighbour discovery.
  std::vector<Bytes> at_peer(std::size_t count) {
    std::vector<Bytes> datagrams;
    while (datagrams.size() < count) {
      pollfd one{peer_socket_, POLLIN, 0};
      while (::poll(&one, 1, -1) < 0) {
      }
      for (const UdpPort::Run& run : peer_->receive()) {
        EXPECT_EQ(run.from, ours().ip);
        for (ByteSpan rest = run.bytes; !rest.empty();) {
          const ByteView part = rest.first(std::min(rest.size(), run.segment_size));
          datagrams.emplace_back(part.begin(), part.end());
          rest = rest.subspan(part.size());
        }
      }
    }
    return datagrams;
  }
  static slow::Fields from_peer(unsigned id) {
    return {.v6 = v6(),
            .source = kThere,
            .destination = kHere,
            .source_port = 7000,
            .destination_port = 7000,
            .id = id};
  }
  static std::size_t header() { return v6() ? 48 : 28; }  // of IP and UDP

  QueuePair queue_pair_;
  std::unique_ptr<UdpSocketPort> peer_;
  int peer_socket_ = -1;
};

INSTANTIATE_TEST_SUITE_P(Of, PacketPathTest,
                         testing::Values(Families{Family::v4, Family::v4},
                                         Families{Family::v6, Family::v4},
                                         Families{Family::v4, Family::v6},
                                         Families{Family::v6, Family::v6}),
                         [](const auto& families) {
                           return std::string(to_string(families.param.inside)) + "In" +
                                  std::string(to_string(families.param.outside));
                         });

TEST_P(PacketPathTest, AHostsSuperPacketReachesThePeerAsPacketsOfTheWire) {
  if (!queue_pair_.tun->takes(Offload::Cut::udp)) GTEST_SKIP() << "this kernel has no USO";
  const auto path = start();
  const Fd socket = overlay_socket(SOCK_DGRAM, kThere, 500);
  const Bytes payload(2300, 'x');
  ASSERT_EQ(::send(socket.get(), payload.data(), payload.size(), 0), 2300);
  const auto datagrams = at_peer(5);
  ASSERT_EQ(datagrams.size(), 5u);
  for (const Bytes& one : datagrams)
    EXPECT_TRUE(slow::has_right_checksums(one));
  EXPECT_EQ(datagrams[0].size(), header() + 500);
  EXPECT_EQ(datagrams[4].size(), header() + 300);
  EXPECT_EQ(slow::hop_limit(datagrams[0]), 63u);
}

TEST_P(PacketPathTest, WhatAPeerSendsReachesTheHost) {
  const auto path = start();
  const Fd socket = overlay_socket(SOCK_DGRAM);
  Bytes run;
  for (unsigned n = 0; n < 4; ++n) {
    const Bytes one = slow::udp_packet(from_peer(n), Bytes(100, static_cast<std::uint8_t>(n)));
    run.insert(run.end(), one.begin(), one.end());
  }
  ASSERT_EQ(peer_->send(ours(), run, header() + 100), Sent::done);
  for (unsigned n = 0; n < 4; ++n) {
    Bytes got(2000);
    ASSERT_EQ(::recv(socket.get(), got.data(), got.size(), 0), 100) << "datagram " << n;
    EXPECT_EQ(got[0], n);
  }
}

// A peer that plays TCP: a SYN and data that arrive as one run, which the kernel gets as a
// super-packet. What the kernel sends in return are packets of its own.
TEST_P(PacketPathTest, TcpOfAPeerIsJoinedAndReachesTheHost) {
  const auto path = start();
  const Fd listener = overlay_socket(SOCK_STREAM);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  slow::Fields fields = from_peer(1);
  fields.flags = 0x02;
  ASSERT_EQ(peer_->send(ours(), slow::tcp_packet(fields, {}), 100), Sent::done);
  const Bytes answer = at_peer(1)[0];
  EXPECT_TRUE(slow::has_right_checksums(answer));
  fields.flags = 0x10;
  fields.acknowledgement = slow::get32(answer, slow::ip_length(answer) + 4) + 1;
  fields.sequence += 1;
  Bytes run;
  for (unsigned n = 0; n < 10; ++n) {
    ++fields.id;
    const Bytes packet = slow::tcp_packet(fields, Bytes(100, static_cast<std::uint8_t>(n)));
    run.insert(run.end(), packet.begin(), packet.end());
    fields.sequence += 100;
  }
  ASSERT_EQ(peer_->send(ours(), run, run.size() / 10), Sent::done);
  const Fd accepted{::accept(listener.get(), nullptr, nullptr)};
  ASSERT_TRUE(accepted);
  Bytes got(1000);
  ASSERT_EQ(::recv(accepted.get(), got.data(), got.size(), MSG_WAITALL), 1000);
  for (std::size_t n = 0; n < got.size(); ++n)
    ASSERT_EQ(got[n], n / 100);
  EXPECT_LT(path->counts().in_writes, path->counts().in_packets) << "some were joined";
}

// The kernel reports the ICMP error to the socket.
TEST_P(PacketPathTest, AnUnknownDestinationIsReportedToTheHost) {
  const auto path = start();
  const Fd socket = overlay_socket(SOCK_DGRAM, 0x0a050909);
  const int on = 1;  // otherwise the kernel hides an error that may pass
  ::setsockopt(socket.get(), v6() ? IPPROTO_IPV6 : IPPROTO_IP, v6() ? IPV6_RECVERR : IP_RECVERR,
               &on, sizeof on);
  ASSERT_EQ(::send(socket.get(), "x", 1, 0), 1);
  char got = 0;
  EXPECT_EQ(::recv(socket.get(), &got, 1, 0), -1);
  EXPECT_EQ(errno, ENETUNREACH) << std::strerror(errno);
}

TEST_P(PacketPathTest, TheKernelsOwnIpv6MessagesStayHere) {
  const auto path = start();
  while (path->counts()[Drop::out_link_only] == 0)  // router solicitations, listener reports
    std::this_thread::yield();
  EXPECT_EQ(path->counts().out_packets, 0u);
}

TEST_P(PacketPathTest, StartsStopsAndSwapsTablesUnderTraffic) {
  const auto path = start();
  const Fd socket = overlay_socket(SOCK_DGRAM);
  std::atomic<bool> done = false;
  std::thread publisher([&] {
    while (!done)
      path->publish(table());
  });
  std::thread restarter([&] {
    for (int n = 0; n < 50; ++n) {
      path->stop();
      ASSERT_TRUE(path->start());
    }
  });
  for (int n = 0; n < 300; ++n) {
    ASSERT_EQ(::send(socket.get(), &n, sizeof n, 0), 4);
    const auto echoed = at_peer(1);
    int number = 0;
    std::memcpy(&number, echoed[0].data() + header(), sizeof number);
    ASSERT_EQ(number, n) << "nothing lost, nothing overtaken";
    const Bytes answer = slow::udp_packet(from_peer(static_cast<unsigned>(n)), Bytes(8));
    ASSERT_EQ(peer_->send(ours(), answer, answer.size()), Sent::done);
    Bytes got(100);
    ASSERT_EQ(::recv(socket.get(), got.data(), got.size(), 0), 8);
  }
  restarter.join();
  done = true;
  publisher.join();
}

TEST_P(PacketPathTest, ADeletedDeviceIsNoticed) {
  std::vector<QueuePair> queue_pairs;
  queue_pairs.push_back(std::move(queue_pair_));
  std::atomic<bool> gone = false;
  PacketThreads path(std::move(queue_pairs), table(),
                     {.cpus = {}, .on_gone = [&] { gone = true; }});
  ASSERT_TRUE(path.start());
  shell("ip link del flannel0");
  while (!gone)
    std::this_thread::yield();
}

}  // namespace
}  // namespace flannel::packet_path_test
