// SPDX-License-Identifier: Apache-2.0
// What is special about Consul: sessions and the node that they belong to, snapshots, a server that
// ends. What every store promises is in conformance_test.cc; ACLs are in consul_rights_test.cc.
#include "registry/consul/consul_registry.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>

#include "registry/open_registry.h"
#include "support/blocking_registry.h"
#include "support/consul_server.h"
#include "support/temporary_folder.h"

namespace flannel::consul_registry_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kKeys = "/v1/kv/coreos.com/network/";

class ConsulTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (ConsulServer::program().empty()) {
      GTEST_SKIP() << "FLANNEL_CONSUL names no Consul: Consul IS NOT TESTED";
    }
    start();
  }
  virtual void start() {
    consul = ConsulServer::start().value();
    session = open({consul->url()});
  }

  std::unique_ptr<BlockingRegistry> open(const std::vector<std::string>& urls,
                                         const std::string& node = "flannel") {
    StoreOptions options;
    options.kind = StoreKind::consul;
    options.consul.endpoints = urls;
    options.consul.node = node;
    return std::make_unique<BlockingRegistry>(open_registry(options, loop.loop()).value(), loop);
  }

  Revision now() { return session->snapshot().value().revision; }

  // The list of a cluster that may have no leader for a moment.
  Snapshot snapshot_in_the_end() {
    for (int tries = 0; tries < 100; ++tries) {
      if (auto all = session->snapshot()) return *std::move(all);
      loop.pass(milliseconds(100));
    }
    return session->snapshot().value();
  }

  std::string keys_of(const Snapshot& all) {
    std::string keys;
    for (const Record& record : all.records)
      keys += record.key + "=" + record.value + " ";
    return keys;
  }

  int sessions() {
    const std::string list = consul->request("GET", "/v1/session/list").value();
    int found = 0;
    for (auto at = list.find("\"ID\""); at != std::string::npos; at = list.find("\"ID\"", at + 1))
      ++found;
    return found;
  }

  PatientLoop loop;
  std::unique_ptr<ConsulServer> consul;
  std::unique_ptr<BlockingRegistry> session;
};

TEST_F(ConsulTest, KeysAreWhereOperatorsLookForThem) {
  ASSERT_TRUE(session->create(kOne, "{\"PublicIP\":\"192.0.2.1\"}", kDay));
  ASSERT_TRUE(session->write_config("{}", 0));
  EXPECT_EQ(consul->run({"kv", "get", "-recurse", "coreos.com/"}).value(),
            "coreos.com/network/config:{}\ncoreos.com/network/subnets/" + kOne +
                ":{\"PublicIP\":\"192.0.2.1\"}\n");
}

TEST_F(ConsulTest, AReservationOfAnOperatorIsOne) {
  ASSERT_TRUE(consul->run({"kv", "put", "coreos.com/network/subnets/" + kOne, "{}"}));
  const auto all = session->snapshot().value();
  ASSERT_EQ(all.records.size(), 1U);
  EXPECT_FALSE(all.records[0].expires());
  EXPECT_EQ(session->create(kOne, "mine", kDay).error().kind, ErrorKind::exists);
  EXPECT_EQ(keys_of(session->snapshot().value()), kOne + "={} ") << "not taken by a lock";
  EXPECT_EQ(sessions(), 0) << "the session of the lost race is destroyed";
}

TEST_F(ConsulTest, WhatIsBesideTheNetworkIsIgnored) {
  for (const char* key :
       {"configuration", "subnets", "subnets-lock", "blue/config", "blue/subnets/10.9.1.0-24"}) {
    ASSERT_TRUE(consul->request("PUT", kKeys + key, "x"));
  }
  const auto all = session->snapshot().value();
  EXPECT_FALSE(all.config);
  EXPECT_TRUE(all.records.empty());
}

TEST_F(ConsulTest, ADestroyedSessionEndsItsLeaseWhichCanBeTakenAgainAtOnce) {
  const WriteResult held = session->create(kOne, "one", kDay).value();
  WatchLog watch(*session, now(), loop);
  ASSERT_TRUE(consul->request("PUT", "/v1/session/destroy/" + held.expiry_handle));
  ASSERT_TRUE(watch.reports("gone " + kOne));
  EXPECT_EQ(session->renew(record_of(kOne, "one", held), kDay).error().kind, ErrorKind::conflict);
  EXPECT_TRUE(session->create(kOne, "one", kDay)) << "without a delay for the lock";
}

TEST_F(ConsulTest, ANodeThatAnOperatorDeregistersIsThereAgainWithTheNextLease) {
  ASSERT_TRUE(session->create(kOne, "one", kDay));
  ASSERT_TRUE(session->create(kTwo, "two", {}));
  WatchLog watch(*session, now(), loop);
  ASSERT_TRUE(consul->request("PUT", "/v1/catalog/deregister", R"({"Node":"flannel"})"));
  ASSERT_TRUE(watch.reports("gone " + kOne));
  EXPECT_EQ(watch.count("gone"), 1) << "a reservation has no session";
  ASSERT_TRUE(session->create(kOne, "one", kDay));
}

TEST_F(ConsulTest, EachLeaseHasOneSessionThatEndsWithIt) {
  WriteResult held = session->create(kOne, "one", kDay).value();
  EXPECT_EQ(sessions(), 1);
  held = session->renew(record_of(kOne, "one", held), kDay / 2).value();
  EXPECT_EQ(held.ttl, kDay / 2);
  EXPECT_EQ(sessions(), 1) << "the session with the other TTL is destroyed";
  held = session->replace(record_of(kOne, "one", held), "two", {}).value();
  EXPECT_EQ(sessions(), 0);
  held = session->replace(record_of(kOne, "two", held), "three", kDay).value();
  EXPECT_EQ(sessions(), 1);
  ASSERT_TRUE(session->release(record_of(kOne, "three", held)));
  EXPECT_EQ(sessions(), 0);
}

TEST_F(ConsulTest, ATtlOfMoreThanADayIsGrantedForADay) {
  const WriteResult held = session->create(kOne, "one", 7 * kDay).value();
  EXPECT_EQ(held.ttl, kDay);
  const WriteResult renewed = session->renew(record_of(kOne, "one", held), 7 * kDay).value();
  EXPECT_EQ(renewed.ttl, kDay);
  EXPECT_EQ(renewed.expiry_handle, held.expiry_handle);
}

TEST_F(ConsulTest, OfTwoThatCreateAtOnceOneHasTheKeyEveryTime) {
  const auto other = open({consul->url()});
  for (int round = 0; round < 100; ++round) {
    std::array<std::optional<Result<WriteResult>>, 2> results;
    int answers = 0;
    const auto create = [&](std::size_t who, BlockingRegistry& registry) {
      registry.registry().create_if_absent(kOne, who == 0 ? "a" : "b", kDay,
                                           [&, who](Result<WriteResult> result) {
                                             results[who].emplace(std::move(result));
                                             ++answers;
                                             loop.check();
                                           });
    };
    create(0, *session);
    create(1, *other);
    ASSERT_TRUE(loop.until([&] { return answers == 2; }));
    ASSERT_NE((*results[0]).has_value(), (*results[1]).has_value()) << round;
    const std::size_t winner = (*results[0]).has_value() ? 0 : 1;
    EXPECT_EQ((*results[1 - winner]).error().kind, ErrorKind::exists);
    const std::string value = winner == 0 ? "a" : "b";
    ASSERT_EQ(keys_of(session->snapshot().value()), kOne + "=" + value + " ");
    ASSERT_TRUE(session->release(record_of(kOne, value, (*results[winner]).value())));
  }
  EXPECT_EQ(sessions(), 0);
}

TEST_F(ConsulTest, AnAgentThatListensAtAUnixSocketServes) {
  const TemporaryFolder folder;
  const std::string at = "unix://" + folder.path() + "/socket";
  const auto agent =
      ConsulServer::start("\"addresses\":{\"http\":\"127.0.0.1 " + at + "\"},").value();
  const auto there = open({at});
  WatchLog watch(*there, there->snapshot().value().revision, loop);
  ASSERT_TRUE(there->create(kOne, "one", kDay));
  EXPECT_TRUE(watch.reports("put " + kOne));
}

TEST_F(ConsulTest, ARestoredSnapshotIsNoticedWithTheNextWrite) {
  const TemporaryFolder folder;
  const WriteResult first = session->create(kOne, "first", kDay).value();
  ASSERT_TRUE(consul->run({"snapshot", "save", folder.path() + "/saved"}));
  ASSERT_TRUE(session->release(record_of(kOne, "first", first)));
  const auto other = open({consul->url()});
  const WriteResult second = other->create(kOne, "second", kDay).value();
  ASSERT_TRUE(session->create(kTwo, "two", {}));
  WatchLog watch(*session, now(), loop);
  ASSERT_TRUE(consul->run({"snapshot", "restore", folder.path() + "/saved"}));
  EXPECT_EQ(keys_of(snapshot_in_the_end()), kOne + "=first ");
  ASSERT_TRUE(session->write_config("{}", 0));
  ASSERT_TRUE(watch.reports("position lost"));
  EXPECT_EQ(other->renew(record_of(kOne, "second", second), kDay).error().kind, ErrorKind::conflict)
      << "the subnet belongs to its first owner again";
}

TEST_F(ConsulTest, AServerThatIsFrozenGivesAnErrorAndIsUsedAgain) {
  ASSERT_TRUE(session->create(kOne, "one", kDay));
  consul->freeze();
  const auto all = session->snapshot();
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(session->registry().failures().silence, 1U);
  consul->thaw();
  EXPECT_EQ(keys_of(snapshot_in_the_end()), kOne + "=one ");
}

TEST_F(ConsulTest, LeasesOutliveARestartOfTheOnlyServer) {
  const WriteResult held = session->create(kOne, "one", kDay).value();
  WatchLog watch(*session, now(), loop);
  consul->stop();
  ASSERT_TRUE(watch.reports("disconnected"));
  ASSERT_TRUE(consul->start_again());
  EXPECT_EQ(keys_of(snapshot_in_the_end()), kOne + "=one ");
  EXPECT_TRUE(session->renew(record_of(kOne, "one", held), kDay));
}

// Consul finds out that the agent is gone, and ends sessions that have its health check.
TEST_F(ConsulTest, ALeaseOutlivesTheAgentOfItsHost) {
  const auto agent = ConsulServer::start_client(*consul).value();
  const auto host = open({agent->url()});
  ASSERT_TRUE(host->create(kOne, "one", kDay));
  WatchLog watch(*host, host->snapshot().value().revision, loop);
  ASSERT_TRUE(session->create(kTwo, "two", kDay));
  ASSERT_TRUE(watch.reports("put " + kTwo)) << "through the agent";
  const std::string usual = R"({"TTL":"3600s","Behavior":"delete","Name":"usual"})";
  ASSERT_TRUE(agent->request("PUT", "/v1/session/create", usual));
  EXPECT_EQ(sessions(), 3);
  agent->stop();
  ASSERT_TRUE(watch.reports("disconnected"));
  for (int tries = 0; tries < 300 && sessions() == 3; ++tries)
    loop.pass(milliseconds(100));
  EXPECT_EQ(sessions(), 2) << "the usual session has ended";
  EXPECT_EQ(keys_of(snapshot_in_the_end()), kOne + "=one " + kTwo + "=two ");
}

class ConsulClusterTest : public ConsulTest {
 protected:
  void start() override {
    servers = ConsulServer::start_cluster(3).value();
    std::vector<std::string> urls;
    for (const auto& server : servers)
      urls.push_back(server->url());
    session = open(urls);
  }

  ConsulServer& leader() {
    const std::string address = servers[0]->request("GET", "/v1/status/leader").value();
    for (const auto& server : servers) {
      if (server->address() == address) return *server;
    }
    return *servers[0];
  }
  ConsulServer& other_than(const ConsulServer& one) {
    return servers[0].get() == &one ? *servers[1] : *servers[0];
  }

  std::vector<std::unique_ptr<ConsulServer>> servers;
};

// Consul takes a server that ended out of its catalog, with the sessions of that server.
TEST_F(ConsulClusterTest, ALeaseOutlivesTheServerThroughWhichItWasMade) {
  ConsulServer& ended = other_than(leader());
  ASSERT_TRUE(open({ended.url()})->create(kOne, "one", kDay));
  ASSERT_TRUE(open({ended.url()}, "")->create(kTwo, "of the server's own node", kDay));
  session = open({leader().url()});
  WatchLog watch(*session, now(), loop);
  ended.stop();
  ASSERT_TRUE(watch.reports("gone " + kTwo));
  EXPECT_EQ(keys_of(snapshot_in_the_end()), kOne + "=one ");
}

TEST_F(ConsulClusterTest, WithoutALeaderNothingIsGoneAndTheNextLeaderGoesOn) {
  const WriteResult held = session->create(kOne, "one", kDay).value();
  WatchLog watch(*session, now(), loop);
  ConsulServer& first = leader();
  first.stop();
  ASSERT_TRUE(watch.reports("disconnected"));
  EXPECT_EQ(watch.count("gone"), 0);
  EXPECT_EQ(keys_of(snapshot_in_the_end()), kOne + "=one ");
  EXPECT_TRUE(session->renew(record_of(kOne, "one", held), kDay));
  // Without a majority an error is the answer, not a list.
  other_than(first).stop();
  const auto all = session->snapshot();
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().kind, ErrorKind::unavailable);
  ASSERT_TRUE(first.start_again());
  EXPECT_EQ(keys_of(snapshot_in_the_end()), kOne + "=one ");
}

}  // namespace
}  // namespace flannel::consul_registry_test
