// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/netlink_socket.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "kernel/netlink/rtnetlink.h"
#include "support/fresh_netns.h"

namespace flannel::netlink_socket_test {
namespace {

class NetlinkSocketTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    if (IsSkipped()) return;
    socket_ = open({});
  }

  static std::optional<NetlinkSocket> open(NetlinkSocket::Options options) {
    auto socket = NetlinkSocket::open(options);
    if (!socket) throw std::runtime_error(socket.error().text);
    return *std::move(socket);
  }

  // Routes 10.0.0.0/24 .. via a gateway on eth0's link; each `bad`th has a gateway that is not.
  static NetlinkBatch routes(unsigned count, unsigned bad) {
    NetlinkBatch batch;
    const int eth0 = index_of("eth0");
    for (unsigned i = 0; i < count; ++i) {
      const bool is_bad = bad != 0 && i % bad == bad - 1;
      put_route(batch, eth0,
                {.to = {IpAddress::v4(10, 0, 0, 0).plus(i, 8), 24},
                 .via = is_bad ? IpAddress::v4(203, 0, 113, 1) : IpAddress::v4(192, 0, 2, 9),
                 .link = "eth0"});
    }
    return batch;
  }

  static int index_of(const std::string& name) {
    return std::stoi(shell("ip -o link show " + name));
  }

  static std::size_t failures(const std::vector<Result<void>>& outcomes) {
    return static_cast<std::size_t>(
        std::ranges::count_if(outcomes, [](const auto& outcome) { return !outcome; }));
  }

  std::optional<NetlinkSocket> socket_;
};

TEST_F(NetlinkSocketTest, OnlyTheBadRequestsOfABatchFail) {
  NetlinkBatch batch = routes(1000, 100);
  const auto outcomes = socket_->transact(batch);
  ASSERT_EQ(outcomes.size(), 1000U);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_EQ(!outcomes[i], i % 100 == 99) << i;
  }
  EXPECT_EQ(outcomes[99].error().text,
            "netlink RTM_NEWROUTE: Network is unreachable (Nexthop has invalid gateway)");
  EXPECT_EQ(shell("ip route show proto 250 | wc -l"), "990\n");
}

TEST_F(NetlinkSocketTest, EveryOutcomeIsCertainWhenAnswersAreLost) {
  // The buffer has room for one or two refusals: most are lost at first.
  auto tiny = open({.receive_buffer = 1, .requests_per_send = 256});
  NetlinkBatch batch = routes(1000, 2);
  const auto outcomes = tiny->transact(batch);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_EQ(!outcomes[i], i % 2 == 1) << i;
    if (!outcomes[i]) {
      EXPECT_EQ(outcomes[i].error().kind, ErrorKind::unavailable);
      EXPECT_TRUE(outcomes[i].error().text.starts_with("netlink RTM_NEWROUTE: Network is"));
    }
  }
  EXPECT_EQ(shell("ip route show proto 250 | wc -l"), "500\n");
}

TEST_F(NetlinkSocketTest, ADumpBringsEveryRow) {
  NetlinkBatch batch = routes(3000, 0);
  EXPECT_EQ(failures(socket_->transact(batch)), 0U);
  NetlinkBatch request;
  dump_routes(request, Family::v4, kRouteProtocol);
  const auto reply = socket_->dump(request);
  ASSERT_TRUE(reply) << reply.error().text;
  std::size_t rows = 0;
  NetlinkReader reader = reply->messages();
  while (const auto message = reader.next()) {
    const auto row = decode_route(message->payload);
    ASSERT_TRUE(row);
    EXPECT_EQ(row->protocol, kRouteProtocol);
    ++rows;
  }
  EXPECT_EQ(rows, 3000U);
}

// The kernel marks a dump of next hops if a change happened between two of its datagrams.
class RacingDumpTest : public NetlinkSocketTest {
 protected:
  static constexpr std::uint32_t kSteady = 3000;

  void SetUp() override {
    NetlinkSocketTest::SetUp();
    if (IsSkipped()) return;
    const int eth0 = index_of("eth0");
    NetlinkBatch batch;
    for (std::uint32_t id = 1; id <= kSteady; ++id)
      put_nexthop(batch, id, eth0, kRoute, true);
    ASSERT_EQ(failures(socket_->transact(batch)), 0U);
  }

  // Adds and removes another next hop until `stop`.
  static void churn(const std::atomic<bool>& stop) {
    auto own = open({});
    const int eth0 = index_of("eth0");
    while (!stop) {
      NetlinkBatch batch;
      put_nexthop(batch, kSteady + 1, eth0, kRoute, true);
      delete_nexthop(batch, kSteady + 1);
      own->transact(batch);
    }
  }

  static Result<std::size_t> steady_rows(NetlinkSocket& socket) {
    NetlinkBatch request;
    dump_nexthops(request);
    const NetlinkReply reply = TRY(socket.dump(request));
    std::size_t rows = 0;
    NetlinkReader reader = reply.messages();
    while (const auto message = reader.next())
      rows += decode_nexthop(message->payload)->id <= kSteady ? 1 : 0;
    return rows;
  }

  inline static const Route kRoute{.to = {}, .via = IpAddress::v4(192, 0, 2, 9), .link = "eth0"};
};

TEST_F(RacingDumpTest, IsRepeatedAndNeverTakenForComplete) {
  std::atomic<bool> stop = false;
  std::thread other([&] { churn(stop); });
  auto hasty = open({.dump_tries = 1});
  auto rows = steady_rows(*hasty);
  for (int tries = 0; tries < 10000 && rows; ++tries)
    rows = steady_rows(*hasty);
  EXPECT_FALSE(rows) << "no dump of 10,000 raced";
  if (!rows) {
    EXPECT_EQ(rows.error().text,
              "netlink RTM_GETNEXTHOP: the tables kept changing while they were read");
  }

  auto patient = open({.dump_tries = 1'000'000});
  std::thread end([&] { stop = true; });
  EXPECT_EQ(steady_rows(*patient), kSteady);
  end.join();
  other.join();
}

TEST_F(NetlinkSocketTest, AQuestionIsAnsweredOrRefused) {
  NetlinkBatch request;
  get_link(request, "eth0");
  const auto reply = socket_->ask(request);
  ASSERT_TRUE(reply) << reply.error().text;
  const auto message = reply->messages().next();
  ASSERT_TRUE(message);
  const auto row = decode_link(message->payload);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->name, "eth0");
  EXPECT_EQ(row->kind, "veth");
  EXPECT_TRUE(row->up);

  NetlinkBatch missing;
  get_link(missing, "eth1");
  const auto refusal = socket_->ask(missing);
  ASSERT_FALSE(refusal);
  EXPECT_EQ(refusal.error().kind, ErrorKind::not_found);
  EXPECT_EQ(refusal.error().text, "netlink RTM_GETLINK: No such device");
}

TEST_F(NetlinkSocketTest, ARefusalCarriesTheKernelsReason) {
  NetlinkBatch batch;
  VxlanSettings vxlan;
  vxlan.vni = 1 << 24;
  create_link(batch, {.name = "flannel.1", .kind = vxlan}, 0);
  EXPECT_EQ(socket_->transact(batch).at(0).error().text,
            "netlink RTM_NEWLINK: Numerical result out of range (VXLAN ID must be lower than "
            "16777216)");
}

}  // namespace
}  // namespace flannel::netlink_socket_test
