// SPDX-License-Identifier: Apache-2.0
// UDP sockets of the real kernel, in a network namespace of the test.
#include "kernel/ports/udp_port.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <set>

#include "support/fresh_netns.h"

namespace flannel::udp_port_test {
namespace {

using Datagram = std::vector<std::uint8_t>;

template <typename T>
T got(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text);
  return *std::move(result);
}

IpEndpoint endpoint(const char* ip, std::uint16_t port = 8285) {
  return {*IpAddress::parse(ip), port};
}

UdpSocketPort open_port(const std::vector<IpEndpoint>& local) {
  UdpSockets sockets = got(open_udp({.local = local}));
  return {std::move(sockets.queues[0]), sockets.abilities};
}

void wait_for(int socket) {
  pollfd one{socket, POLLIN, 0};
  while (::poll(&one, 1, -1) < 0) {
  }
}

class UdpPortTest : public NetnsTest, public testing::WithParamInterface<Family> {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (!IsSkipped()) add_ip6("2001:db8::1", 64, "eth0");
  }
  static const char* in(const char* v4, const char* v6) {
    return GetParam() == Family::v4 ? v4 : v6;
  }
  static const char* ours() { return in("192.0.2.1", "2001:db8::1"); }
};

INSTANTIATE_TEST_SUITE_P(Of, UdpPortTest, testing::Values(Family::v4, Family::v6),
                         [](const auto& family) { return std::string(to_string(family.param)); });

TEST_P(UdpPortTest, ARunThatThePathCannotCarryIsRefusedAndGoesSingly) {
  const std::string far_ip = in("192.0.2.9", "2001:db8::9");
  if (GetParam() == Family::v4) {
    shell("ip addr add " + far_ip + "/32 dev lo");
  } else {
    add_ip6(far_ip, 128, "lo");
  }
  shell("ip link set lo mtu 1300");
  UdpSockets sockets = got(open_udp({.local = {endpoint(far_ip.c_str())}}));
  const int socket = sockets.queues[0][0].fd.get();
  UdpSocketPort far(std::move(sockets.queues[0]), sockets.abilities);
  UdpSocketPort near = open_port({endpoint(ours())});
  const Datagram run(3 * 1400, 'x');
  EXPECT_EQ(near.send(endpoint(far_ip.c_str()), run, 1400), Sent::cannot_cut);
  std::size_t lost = 0;
  EXPECT_EQ(near.send_each(endpoint(far_ip.c_str()), run, 1400, lost), Sent::done);
  EXPECT_EQ(lost, 0u);
  std::size_t received = 0;
  while (received < run.size()) {
    wait_for(socket);
    for (const UdpPort::Run& one : far.receive())
      received += one.bytes.size();
  }
  EXPECT_EQ(received, run.size());
}

TEST_P(UdpPortTest, SendingToAnUnreachablePeerReturnsUnreachable) {
  const Datagram packet(100);
  UdpSocketPort port = open_port({endpoint(ours())});
  EXPECT_EQ(port.send(endpoint(in("203.0.113.1", "2001:db9::1")), packet, 100), Sent::unreachable);
  EXPECT_EQ(port.send(endpoint(in("2001:db8::1", "192.0.2.1")), packet, 100), Sent::unreachable)
      << "of a family without a socket";
}

TEST_P(UdpPortTest, ThePortMustBeFreeAndTheAddressOurs) {
  const UdpSocketPort first = open_port({endpoint(ours())});
  EXPECT_EQ(
      open_udp({.local = {endpoint(ours())}}).error().text,
      "open UDP port " + to_string(endpoint(ours())) +
          ": Address already in use: \"ss -lnup sport = 8285\" names the program that has it");
  EXPECT_EQ(open_udp({.local = {endpoint(in("192.0.2.77", "2001:db8::77"))}}).error().kind,
            ErrorKind::not_found);
}

// Packets that wait for the answer of a neighbour that never comes fill the buffer for seconds.
TEST_P(UdpPortTest, ASendThatFindsNoRoomIsGivenUpSoon) {
  UdpSockets opened = got(open_udp({.local = {endpoint(ours())}, .send_buffer = 1}));
  UdpSocketPort port(std::move(opened.queues[0]), opened.abilities);
  const Datagram packet(1400);
  Sent sent = Sent::done;
  for (int n = 0; n < 10 && sent == Sent::done; ++n)
    sent = port.send(endpoint(in("192.0.2.77", "2001:db8::77")), packet, packet.size());
  EXPECT_EQ(sent, Sent::no_buffer);
}

class UdpPortOfBothFamilies : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (!IsSkipped()) add_ip6("2001:db8::1", 64, "eth0");
  }
  const UdpSocketOptions here_{.local = {endpoint("192.0.2.1"), endpoint("2001:db8::1")},
                               .queues = 2};
  static std::vector<Fd> all_of(UdpSockets& sockets) {
    std::vector<Fd> all;
    for (auto& queue : sockets.queues) {
      for (UdpSocket& socket : queue)
        all.push_back(std::move(socket.fd));
    }
    return all;
  }
};

TEST_F(UdpPortOfBothFamilies, ReceivesFromBothAndSendsToEachByItsOwn) {
  shell("ip addr add 192.0.2.2/32 dev lo");
  add_ip6("2001:db8::2", 128, "lo");
  UdpSocketPort port = open_port(here_.local);
  UdpSocketPort peer = open_port({endpoint("192.0.2.2"), endpoint("2001:db8::2")});
  for (const char* to : {"192.0.2.1", "2001:db8::1"})
    ASSERT_EQ(peer.send(endpoint(to), Datagram(100), 100), Sent::done);
  std::set<std::string> senders;
  while (senders.size() < 2) {
    for (const UdpPort::Run& run : port.receive())
      senders.insert(to_string(run.from));
  }
  EXPECT_EQ(senders, (std::set<std::string>{"192.0.2.2", "2001:db8::2"}));
}

TEST_F(UdpPortOfBothFamilies, NeitherStarvesTheOther) {
  shell("ip addr add 192.0.2.2/32 dev lo");
  add_ip6("2001:db8::2", 128, "lo");
  UdpSocketPort port = open_port(here_.local);
  UdpSocketPort peer = open_port({endpoint("192.0.2.2"), endpoint("2001:db8::2")});
  for (int n = 0; n < 200; ++n) {
    for (const char* to : {"192.0.2.1", "2001:db8::1"})
      ASSERT_EQ(peer.send(endpoint(to), Datagram(100), 100), Sent::done);
  }
  std::set<std::string> senders;
  for (int n = 0; n < 2; ++n) {
    for (const UdpPort::Run& run : port.receive())
      senders.insert(to_string(run.from));
  }
  EXPECT_EQ(senders.size(), 2u) << "more waits in each than one call takes";
}

TEST_F(UdpPortOfBothFamilies, AnIpv6SocketTakesNoIpv4) {
  const UdpSocketPort port6 = open_port({endpoint("::")});
  const UdpSocketPort port4 = open_port({endpoint("192.0.2.1")});
  SUCCEED() << "both have the port";
}

TEST_F(UdpPortOfBothFamilies, SocketsOfAnEarlierRunAreTakenOverIfTheyAreTheRightOnes) {
  UdpSockets sockets = got(open_udp(here_));
  EXPECT_EQ(sockets.queues.size(), 2u);
  std::vector<Fd> kept = all_of(sockets);
  ASSERT_EQ(kept.size(), 4u);
  std::swap(kept.front(), kept.back());
  sockets = got(resume_udp(std::move(kept), here_));
  for (const auto& queue : sockets.queues) {
    ASSERT_EQ(queue.size(), 2u);
    EXPECT_NE(queue[0].family, queue[1].family);
  }
  UdpSocketOptions only4 = here_;
  only4.local.pop_back();
  EXPECT_EQ(resume_udp(all_of(sockets), only4).error().text,
            "resume the UDP sockets of 192.0.2.1:8285: one more was kept, bound to "
            "[2001:db8::1]:8285");
  sockets = got(open_udp(only4));
  EXPECT_EQ(resume_udp(all_of(sockets), here_).error().text,
            "resume the UDP sockets of [2001:db8::1]:8285: 0 kept, 2 needed");
  sockets = got(open_udp(only4));
  UdpSocketOptions elsewhere = only4;
  elsewhere.local[0].port = 8286;
  EXPECT_EQ(resume_udp(all_of(sockets), elsewhere).error().text,
            "resume the UDP sockets of 192.0.2.1:8286: one more was kept, bound to "
            "192.0.2.1:8285");
}

}  // namespace
}  // namespace flannel::udp_port_test
