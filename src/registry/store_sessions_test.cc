// SPDX-License-Identifier: Apache-2.0
// Registries of one process that share what they know of their store, against real stores.
#include "registry/store_sessions.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "registry/open_registry.h"
#include "support/blocking_registry.h"
#include "support/etcd_server.h"

namespace flannel::store_sessions_test {
namespace {

// The TCP connections of this process to `port`. gRPC uses sockets of IPv6 for both families.
int connections_to(int port) {
  constexpr int kMostDescriptors = 1024;
  int found = 0;
  for (int fd = 0; fd < kMostDescriptors; ++fd) {
    sockaddr_in6 peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
    const bool is_tcp = peer.sin6_family == AF_INET6 || peer.sin6_family == AF_INET;
    found += is_tcp && ntohs(peer.sin6_port) == port ? 1 : 0;  // both have the port at one place
  }
  return found;
}

class SharedEtcdTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdServer::installed()) GTEST_SKIP() << "etcd is not installed: SESSIONS ARE NOT TESTED";
    etcd = EtcdServer::start({}, {.v2 = true}).value();
    options.endpoints = {etcd->url()};
    options.sessions = std::make_shared<StoreSessions>(loop.loop());
  }

  std::unique_ptr<BlockingRegistry> open(const std::string& network) {
    StoreOptions of = options;
    of.prefix += "/" + network;
    return std::make_unique<BlockingRegistry>(open_registry(of, loop.loop()).value(), loop);
  }

  void ctl(const std::vector<std::string>& arguments) {
    const auto done = etcd->ctl(arguments);
    ASSERT_TRUE(done) << done.error().text;
  }

  PatientLoop loop;
  std::unique_ptr<EtcdServer> etcd;
  StoreOptions options;
};

TEST_F(SharedEtcdTest, HasOneConnectionForAllNetworks) {
  const auto blue = open("blue");
  const auto green = open("green");
  const Record one = record_of(kOne, "one", blue->create(kOne, "one", kDay).value());
  const Record two = record_of(kTwo, "two", green->create(kTwo, "two", kDay).value());
  WatchLog blue_watch(*blue, one.revision, loop);
  WatchLog green_watch(*green, two.revision, loop);
  ASSERT_TRUE(blue->renew(one, kDay));
  ASSERT_TRUE(green->renew(two, kDay));
  ASSERT_TRUE(blue->write_config("blue", 0));
  ASSERT_TRUE(green->write_config("green", 0));
  ASSERT_TRUE(blue_watch.reports("config blue")) << blue_watch.text();
  ASSERT_TRUE(green_watch.reports("config green")) << green_watch.text();
  EXPECT_EQ(blue_watch.count("green") + green_watch.count("blue"), 0);
  EXPECT_EQ(connections_to(etcd->port()), 1);
}

TEST_F(SharedEtcdTest, StaysWithTheOthersWhenOneCloses) {
  auto blue = open("blue");
  const auto green = open("green");
  const Revision begin = green->snapshot().value().revision;
  WatchLog green_watch(*green, begin, loop);
  {
    WatchLog blue_watch(*blue, blue->snapshot().value().revision, loop);
    blue->registry().snapshot(
        [](const auto&) { FAIL() << "an answer for a registry that is gone"; });
  }
  blue->close();
  ASSERT_TRUE(green->write_config("green", 0));
  EXPECT_TRUE(green_watch.reports("config green"));
  EXPECT_EQ(green_watch.count("disconnected"), 0) << green_watch.error().text;
  EXPECT_EQ(connections_to(etcd->port()), 1);
}

TEST_F(SharedEtcdTest, IsMadeAnewForEachOfThem) {
  const auto blue = open("blue");
  const auto green = open("green");
  const Revision begin = green->snapshot().value().revision;
  WatchLog blue_watch(*blue, begin, loop), green_watch(*green, begin, loop);
  ASSERT_TRUE(blue->write_config("blue", 0));
  ASSERT_TRUE(blue_watch.reports("config"));
  ASSERT_TRUE(green->write_config("green", 0));
  ASSERT_TRUE(green_watch.reports("config"));
  etcd->stop();
  ASSERT_TRUE(blue_watch.reports("disconnected"));
  ASSERT_TRUE(green_watch.reports("disconnected"));
  ASSERT_TRUE(etcd->start_again());
  EXPECT_TRUE(blue->snapshot());
  const auto all = green->snapshot();
  ASSERT_TRUE(all) << all.error().text;
  EXPECT_EQ(all->config->text, "green");
  EXPECT_EQ(connections_to(etcd->port()), 1);
}

TEST_F(SharedEtcdTest, AuthenticatesOnceAndAgainWhenTheTokenIsGone) {
  ctl({"user", "add", "root:rootpw"});
  ctl({"user", "grant-role", "root", "root"});
  ctl({"auth", "enable"});
  options.username = "root";
  options.password = {"wr0ng", {}};
  const auto wrong = open("blue");
  const auto denied = open("green");
  EXPECT_EQ(wrong->snapshot().error().kind, ErrorKind::denied);
  EXPECT_EQ(denied->registry().failures().denied, 1U) << "what concerns both is counted for both";
  wrong->close();
  denied->close();

  options.password = {"rootpw", {}};
  const auto blue = open("blue");
  const auto green = open("green");
  ASSERT_TRUE(blue->snapshot()) << "a session of nobody is not kept";
  ASSERT_TRUE(green->snapshot());
  etcd->stop();  // its tokens are in its memory only
  ASSERT_TRUE(etcd->start_again());
  int answered = 0;
  const auto count = [&](const Result<Snapshot>& all) {
    EXPECT_TRUE(all) << all.error().text;
    ++answered;
    loop.check();
  };
  // Both meet the dead token at the same time.
  blue->registry().snapshot(count);
  green->registry().snapshot(count);
  EXPECT_TRUE(loop.until([&] { return answered == 2; }));
}

TEST_F(SharedEtcdTest, HasAsManyStreamsAsServersAllow) {
  std::vector<std::unique_ptr<BlockingRegistry>> networks;
  for (long i = 0; i <= StoreSessions::kMostOnOne; ++i) {
    networks.push_back(open("net" + std::to_string(i)));
    ASSERT_TRUE(networks.back()->snapshot());
  }
  EXPECT_EQ(connections_to(etcd->port()), 2);
  networks.pop_back();
  networks.pop_back();
  const auto next = open("next");
  ASSERT_TRUE(next->snapshot());
  EXPECT_EQ(connections_to(etcd->port()), 1);
}

TEST_F(SharedEtcdTest, IsNotSharedWithAnotherEndpoint) {
  const auto here = open("blue");
  const auto other = EtcdServer::start({}, {.v2 = true}).value();
  options.endpoints = {other->url()};
  const auto there = open("blue");
  ASSERT_TRUE(here->write_config("here", 0));
  EXPECT_FALSE(there->snapshot()->config);
  EXPECT_EQ(connections_to(other->port()), 1);
}

// The calls of such a store have connections of their own. What is shared is which endpoint works.
TEST_F(SharedEtcdTest, OfV2KnowsTheEndpointThatWorksForAll) {
  const auto dead = EtcdServer::start({}, {.v2 = true}).value();
  options.etcd_api = EtcdApi::v2;
  options.endpoints = {dead->url(), etcd->url()};
  const auto blue = open("blue");
  const auto green = open("green");
  dead->stop();
  ASSERT_TRUE(blue->snapshot());
  EXPECT_EQ(blue->registry().failures().transport, 1U);
  ASSERT_TRUE(green->snapshot());
  EXPECT_EQ(green->registry().failures().transport, 0U) << "it asked the dead endpoint, too";
}

}  // namespace
}  // namespace flannel::store_sessions_test
