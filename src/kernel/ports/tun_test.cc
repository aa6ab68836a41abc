// SPDX-License-Identifier: Apache-2.0
// TUN devices and UDP sockets of the real kernel, in a network namespace of the test.
#include "kernel/ports/tun.h"

#include <arpa/inet.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include <thread>

#include "dataplane/packet_threads.h"
#include "dataplane/rx_path.h"
#include "dataplane/segmenter.h"
#include "kernel/ports/queue_pair.h"
#include "kernel/ports/stale_tun.h"
#include "kernel/ports/tun_port.h"
#include "kernel/ports/udp_port.h"
#include "support/fresh_netns.h"
#include "support/slow_packets.h"

namespace flannel::tun_test {
namespace {

using slow::Bytes;

template <typename T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text);
  return *std::move(result);
}

class TunTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (!IsSkipped() && ::access("/dev/net/tun", R_OK | W_OK) != 0) {
      GTEST_SKIP() << "SKIPPED, NOTHING WAS TESTED: no /dev/net/tun";
    }
  }
  static std::string error(const TunOptions& options) {
    const auto device = open_tun(options);
    return device ? "none" : device.error().text;
  }
};

TEST_F(TunTest, TakesTheFirstFreeNumber) {
  const TunDevice first = must(open_tun({}));
  EXPECT_EQ(first.name, "flannel0");
  EXPECT_FALSE(first.adopted);
  EXPECT_EQ(must(open_tun({})).name, "flannel1") << "flannel0 is in use";
}

TEST_F(TunTest, LeavesDevicesOfOthersAlone) {
  shell("ip link add flannel0 type bridge; ip tuntap add flannel1 mode tap");
  EXPECT_EQ(must(open_tun({})).name, "flannel2");
  EXPECT_EQ(error({.name = "flannel0"}), "every device flannel0 is in use");
}

TEST_F(TunTest, GoesWithItsLastQueueUnlessPersistent) {
  must(open_tun({}));
  EXPECT_THROW(shell("ip link show flannel0"), std::runtime_error);
  must(open_tun({.persistent = true}));
  shell("ip link show flannel0");
}

TEST_F(TunTest, AdoptsThePersistentDeviceOfAnEarlierRun) {
  must(open_tun({.persistent = true}));
  shell("ip addr add 10.5.1.0/16 dev flannel0; ip link set flannel0 up");
  TunDevice device = must(open_tun({.persistent = true}));
  EXPECT_EQ(device.name, "flannel0");
  EXPECT_TRUE(device.adopted);
  EXPECT_NE(shell("ip addr show flannel0").find("10.5.1.0/16"), std::string::npos);
  EXPECT_EQ(must(open_tun({.persistent = true})).name, "flannel1") << "now it is in use";

  ASSERT_TRUE(set_persistent(device, false));
  device.queues.clear();
  EXPECT_THROW(shell("ip link show flannel0"), std::runtime_error);
}

TEST_F(TunTest, AnAddressStaysWhenTheOneBeforeItGoes) {
  const TunDevice device = must(open_tun({}));
  shell("ip addr add 10.5.7.0/16 dev flannel0; ip addr add 10.5.1.0/16 dev flannel0");
  shell("ip addr del 10.5.7.0/16 dev flannel0");
  EXPECT_NE(shell("ip addr show flannel0").find("10.5.1.0/16"), std::string::npos);
}

TEST_F(TunTest, OfWhatEarlierRunsLeftTakesTheDeviceOfItsNetwork) {
  const IpPrefix network = *IpPrefix::parse_v4("10.5.0.0/16");
  must(open_tun({.persistent = true}));
  shell("ip addr add 10.6.1.0/16 dev flannel0");
  const TunOptions options{.network = network, .persistent = true};
  EXPECT_EQ(must(open_tun(options)).name, "flannel1") << "flannel0 is of another network";
  shell("ip addr add 10.5.1.0/16 dev flannel1; ip tuntap add flannel2 mode tun");
  must(open_tun({.name = "flannel3", .persistent = true}));
  shell("ip link del flannel0");
  const TunDevice again = must(open_tun(options));
  EXPECT_EQ(again.name, "flannel1") << "though the number 0 is free";
  EXPECT_TRUE(again.adopted);
}

TEST_F(TunTest, ADeviceWithTheOtherKindOfQueuesIsMadeAnew) {
  const IpPrefix network = *IpPrefix::parse_v4("10.5.0.0/16");
  for (const int queues : {1, 2, 1}) {
    const TunDevice device =
        must(open_tun({.network = network, .queues = queues, .persistent = true}));
    EXPECT_EQ(device.name, "flannel0");
    EXPECT_FALSE(device.adopted);
    shell("ip addr add 10.5.1.0/16 dev flannel0");
  }
}

TEST_F(TunTest, RemovesWhatWasLeftOfANetworkAndNothingElse) {
  must(open_tun({.persistent = true}));
  must(open_tun({.name = "flannel1", .queues = 2, .persistent = true}));
  must(open_tun({.name = "flannel2", .persistent = true}));
  const TunDevice in_use = must(open_tun({.name = "flannel3", .persistent = true}));
  shell("ip addr add 10.5.1.0/16 dev flannel0; ip addr add 10.5.2.0/16 dev flannel1");
  shell("ip addr add 10.6.1.0/16 dev flannel2; ip addr add 10.5.3.0/16 dev flannel3");
  EXPECT_EQ(must(remove_stale_tuns(*IpPrefix::parse_v4("10.5.0.0/16"))), "flannel0 flannel1");
  EXPECT_THROW(shell("ip link show flannel0"), std::runtime_error);
  EXPECT_THROW(shell("ip link show flannel1"), std::runtime_error);
  shell("ip link show flannel2; ip link show flannel3");
}

// An earlier run left the device, with a route that captures addresses which this host needs at the
// start.
TEST_F(TunTest, ALeftDeviceIsInTheWayOfWhatItsRouteTakes) {
  for (const int queues : {1, 2}) {
    const std::vector<IpAddress> needed{IpAddress::v4(192, 0, 2, 9), IpAddress::v4(10, 5, 9, 9)};
    {
      const auto used = open_tun({.queues = queues, .persistent = true});
      ASSERT_TRUE(used) << used.error().text;
      EXPECT_TRUE(must(tuns_in_the_way(needed)).empty());
      shell("ip addr add 10.5.1.0/16 dev flannel0; ip link set flannel0 up");
      EXPECT_EQ(must(tuns_in_the_way(needed)), std::vector<std::string>{"flannel0"});
      EXPECT_TRUE(must(tuns_in_the_way(std::vector{IpAddress::v4(192, 0, 2, 9)})).empty());
      EXPECT_FALSE(must(remove_if_stale("flannel0"))) << "a process has it open";
    }
    EXPECT_TRUE(must(remove_if_stale("flannel0")));
    EXPECT_TRUE(must(tuns_in_the_way(needed)).empty());
    EXPECT_FALSE(must(remove_if_stale("flannel0"))) << "there is none";
  }
}

TEST_F(TunTest, HasSeveralQueuesWhereAsked) {
  const TunDevice device = must(open_tun({.queues = 3, .persistent = true}));
  EXPECT_EQ(device.queues.size(), 3u);
  EXPECT_EQ(must(open_tun({.queues = 3})).name, "flannel1") << "a queue more would be let in";
}

TEST_F(TunTest, AQueueKeptOpenLosesNothing) {
  TunDevice before = must(open_tun({}));
  shell("ip addr add 10.5.1.0/16 dev flannel0; ip link set flannel0 up");
  std::vector<Fd> kept = std::move(before.queues);
  const Fd sender{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(9);
  to.sin_addr.s_addr = htonl(0x0a050203);
  ASSERT_EQ(::sendto(sender.get(), "waits", 5, 0, reinterpret_cast<sockaddr*>(&to), sizeof to), 5);

  TunDevice after = must(resume_tun(std::move(kept), {}));
  EXPECT_EQ(after.name, "flannel0");
  EXPECT_TRUE(after.abilities.header);
  TunQueuePort port(std::move(after.queues[0]), after.abilities);
  Bytes packet(kTunReadSize);
  while (const auto read = port.read(packet)) {
    if (packet[0] >> 4 != 4) continue;  // the device's IPv6 solicitations
    EXPECT_EQ(read->size, 33u);
    EXPECT_EQ(std::string(packet.begin() + 28, packet.begin() + 33), "waits");
    return;
  }
  FAIL() << "nothing waited";
}

TEST_F(TunTest, RefusesToResumeWhatIsNoTunQueue) {
  std::vector<Fd> queues;
  queues.emplace_back(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  EXPECT_FALSE(resume_tun(std::move(queues), {}));
  EXPECT_FALSE(resume_tun({}, {}));
}

// A host: flannel0 with 10.5.1.0/16, and the underlay 192.0.2.1; a peer at 192.0.2.2 is a socket
// of the test.
class PacketPathTest : public TunTest {
 protected:
  void SetUp() override {
    TunTest::SetUp();
    if (IsSkipped()) return;
    shell("ip addr add 192.0.2.2/32 dev lo");
    TunDevice device = must(open_tun({}));
    shell("ip addr add 10.5.1.0/16 dev flannel0; ip link set flannel0 mtu 1472 up");
    UdpSockets ours = must(open_udp({.local = {IpAddress::v4(192, 0, 2, 1), 8285}}));
    queue_pair_ = must(open_queue_pair(std::move(device.queues[0]), device.abilities,
                                       std::move(ours.sockets[0]), ours.abilities));
    UdpSockets peers = must(open_udp({.local = {IpAddress::v4(192, 0, 2, 2), 8285}}));
    peer_socket_ = peers.sockets[0].get();
    peer_ = std::make_unique<UdpSocketPort>(std::move(peers.sockets[0]), peers.abilities);
  }
  static std::shared_ptr<const ForwardTable> table() {
    return std::make_shared<ForwardTable>(
        OverlayHost{.subnet = *IpPrefix::parse_v4("10.5.1.0/24"),
                    .tunnel_address = IpAddress::v4(10, 5, 1, 0),
                    .mtu = 1472,
                    .accept_any = false},
        std::vector<OverlayPeer>{
            {*IpPrefix::parse_v4("10.5.2.0/24"), {IpAddress::v4(192, 0, 2, 2), 8285}}});
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
  // A UDP socket of this host, in the overlay.
  static Fd overlay_socket(int segment = 0) {
    Fd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_port = htons(7000);
    local.sin_addr.s_addr = htonl(0x0a050100);
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&local), sizeof local) != 0) throw errno;
    sockaddr_in remote = local;
    remote.sin_addr.s_addr = htonl(0x0a050203);
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&remote), sizeof remote) != 0)
      throw errno;
    if (segment > 0) ::setsockopt(socket.get(), SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
    const timeval patience{5, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return socket;
  }
  static void wait_for(int socket) {
    pollfd one{socket, POLLIN, 0};
    while (::poll(&one, 1, -1) < 0) {
    }
  }
  // The next `count` datagrams that arrive at the peer.
  std::vector<Bytes> at_peer(std::size_t count) {
    std::vector<Bytes> datagrams;
    while (datagrams.size() < count) {
      wait_for(peer_socket_);
      for (const UdpPort::Run& run : peer_->receive()) {
        for (ByteSpan rest = run.bytes; !rest.empty();) {
          const ByteSpan one = rest.first(std::min(rest.size(), run.segment_size));
          datagrams.emplace_back(one.begin(), one.end());
          rest = rest.subspan(one.size());
        }
      }
    }
    return datagrams;
  }
  static slow::Fields from_peer(unsigned id) {
    return {.source = 0x0a050203,
            .destination = 0x0a050100,
            .source_port = 7000,
            .destination_port = 7000,
            .id = id};
  }

  QueuePair queue_pair_;
  std::unique_ptr<UdpSocketPort> peer_;
  int peer_socket_ = -1;
};

TEST_F(PacketPathTest, AHostsSuperPacketReachesThePeerAsPacketsOfTheWire) {
  if (!queue_pair_.tun->takes(Offload::Cut::udp4)) GTEST_SKIP() << "this kernel has no USO";
  const auto path = start();
  const Fd socket = overlay_socket(500);
  const Bytes payload(2300, 'x');
  ASSERT_EQ(::send(socket.get(), payload.data(), payload.size(), 0), 2300);
  const auto datagrams = at_peer(5);
  ASSERT_EQ(datagrams.size(), 5u);
  for (const Bytes& one : datagrams)
    EXPECT_TRUE(slow::has_right_checksums(one));
  EXPECT_EQ(datagrams[0].size(), 528u);
  EXPECT_EQ(datagrams[4].size(), 328u);
  EXPECT_EQ(datagrams[0][8], 63) << "ttl";
}

TEST_F(PacketPathTest, WhatAPeerSendsReachesTheHost) {
  const auto path = start();
  const Fd socket = overlay_socket();
  Bytes run;
  for (unsigned n = 0; n < 4; ++n) {
    const Bytes one = slow::udp_packet(from_peer(n), Bytes(100, static_cast<std::uint8_t>(n)));
    run.insert(run.end(), one.begin(), one.end());
  }
  ASSERT_EQ(peer_->send({IpAddress::v4(192, 0, 2, 1), 8285}, run, 128), Sent::done);
  for (unsigned n = 0; n < 4; ++n) {
    Bytes got(2000);
    ASSERT_EQ(::recv(socket.get(), got.data(), got.size(), 0), 100) << "datagram " << n;
    EXPECT_EQ(got[0], n);
  }
}

TEST_F(PacketPathTest, StartsStopsAndSwapsTablesUnderTraffic) {
  const auto path = start();
  const Fd socket = overlay_socket();
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
    std::memcpy(&number, echoed[0].data() + 28, sizeof number);
    ASSERT_EQ(number, n) << "nothing lost, nothing overtaken";
    const Bytes answer = slow::udp_packet(from_peer(static_cast<unsigned>(n)), Bytes(8));
    ASSERT_EQ(peer_->send({IpAddress::v4(192, 0, 2, 1), 8285}, answer, answer.size()), Sent::done);
    Bytes got(100);
    ASSERT_EQ(::recv(socket.get(), got.data(), got.size(), 0), 8);
  }
  restarter.join();
  done = true;
  publisher.join();
}

TEST_F(PacketPathTest, ADeletedDeviceIsNoticed) {
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

TEST_F(PacketPathTest, ARunThatThePathCannotCarryIsRefusedAndGoesSingly) {
  shell("ip route add 192.0.2.9 dev lo mtu lock 1000; ip addr add 192.0.2.9 dev lo");
  shell("ip route replace local 192.0.2.9 dev lo table local mtu lock 1000");
  UdpSockets sockets = must(open_udp({.local = {IpAddress::v4(192, 0, 2, 9), 8285}}));
  const int socket = sockets.sockets[0].get();
  UdpSocketPort narrow(std::move(sockets.sockets[0]), sockets.abilities);
  const Bytes run(3 * 1400, 'x');
  EXPECT_EQ(queue_pair_.udp->send({IpAddress::v4(192, 0, 2, 9), 8285}, run, 1400),
            Sent::cannot_cut);
  std::size_t lost = 0;
  EXPECT_EQ(queue_pair_.udp->send_each({IpAddress::v4(192, 0, 2, 9), 8285}, run, 1400, lost),
            Sent::done);
  EXPECT_EQ(lost, 0u);
  std::size_t received = 0;
  while (received < run.size()) {
    wait_for(socket);
    for (const UdpPort::Run& one : narrow.receive())
      received += one.bytes.size();
  }
  EXPECT_EQ(received, run.size());
}

TEST_F(PacketPathTest, SendingToAnUnreachablePeerReturnsUnreachable) {
  const Bytes packet(100);
  EXPECT_EQ(queue_pair_.udp->send({IpAddress::v4(203, 0, 113, 1), 8285}, packet, 100),
            Sent::unreachable);
}

TEST_F(PacketPathTest, ThePortMustBeFreeAndTheAddressOurs) {
  EXPECT_EQ(
      open_udp({.local = {IpAddress::v4(192, 0, 2, 1), 8285}}).error().text,
      "open UDP port 192.0.2.1:8285: Address already in use: \"ss -lnup sport = 8285\" names the "
      "program that has it");
  EXPECT_EQ(open_udp({.local = {IpAddress::v4(192, 0, 2, 77), 8285}}).error().kind,
            ErrorKind::not_found);
}

// Packets that wait for an ARP answer that never comes fill the buffer for seconds.
TEST_F(TunTest, ASendThatFindsNoRoomIsGivenUpSoon) {
  const UdpSocketOptions options{.local = {IpAddress::v4(192, 0, 2, 1), 8285}, .send_buffer = 1};
  UdpSockets opened = must(open_udp(options));
  UdpSocketPort port(std::move(opened.sockets[0]), opened.abilities);
  const Bytes packet(1400);
  Sent sent = Sent::done;
  for (int n = 0; n < 10 && sent == Sent::done; ++n)
    sent = port.send({IpAddress::v4(192, 0, 2, 77), 8285}, packet, packet.size());
  EXPECT_EQ(sent, Sent::no_buffer);
}

TEST_F(TunTest, SocketsOfAnEarlierRunAreTakenOverIfTheyAreTheRightOnes) {
  const UdpSocketOptions here{.local = {IpAddress::v4(192, 0, 2, 1), 8285}, .sockets = 2};
  UdpSockets sockets = must(open_udp(here));
  EXPECT_EQ(sockets.sockets.size(), 2u);
  sockets = must(resume_udp(std::move(sockets.sockets), here));
  const auto elsewhere =
      resume_udp(std::move(sockets.sockets), {.local = {IpAddress::v4(192, 0, 2, 1), 8286}});
  EXPECT_EQ(elsewhere.error().text,
            "resume UDP port 192.0.2.1:8286: the socket kept is bound to 192.0.2.1:8285");
}

}  // namespace
}  // namespace flannel::tun_test
