// SPDX-License-Identifier: Apache-2.0
// What is special about etcd v2: what other flannels see of us, an etcd that goes away, users. What
// every store promises is in conformance_test.cc, TLS is in etcd3/etcd_access_test.cc.
#include "registry/etcd2/etcd2_registry.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "registry/open_registry.h"
#include "support/blocking_registry.h"
#include "support/etcd_server.h"
#include "support/tcp_relay.h"
#include "support/temporary_folder.h"

namespace flannel::etcd2_registry_test {
namespace {

using std::chrono::seconds;

const std::string kValue = R"({"PublicIP":"192.0.2.1"})";

class Etcd2Test : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdServer::installed() || !program_installed("curl")) {
      GTEST_SKIP() << "etcd, etcdctl and curl are not all installed: etcd v2 IS NOT TESTED";
    }
    etcd = EtcdServer::start({}, {.v2 = true}).value();
    session = open({etcd->url()});
  }

  std::unique_ptr<BlockingRegistry> open(const std::vector<std::string>& urls) {
    options.etcd_api = EtcdApi::v2;
    options.endpoints = urls;
    return std::make_unique<BlockingRegistry>(open_registry(options, loop.loop()).value(), loop);
  }

  Revision now() { return session->snapshot().value().revision; }

  // What an operator or another flannel does: `path` below /v2, then words for curl.
  std::string curl(const std::string& path, std::vector<std::string> words = {}) {
    words.insert(words.begin(), {"curl", "-sSL", "--max-time", "20"});
    words.push_back(etcd->url() + "/v2" + path);
    return run_command(words).value();
  }
  std::string keys(const std::string& path, std::vector<std::string> words = {}) {
    return curl("/keys/coreos.com/network" + path, std::move(words));
  }
  // The action of the first event after `index`, of anything, as its history has it.
  std::string action_after(Revision index) {
    const std::string event =
        curl(fmt::format("/keys/?wait=true&recursive=true&waitIndex={}", index + 1));
    const auto begin = event.find(R"("action":")") + 10;
    return event.substr(begin, event.find('"', begin) - begin);
  }

  PatientLoop loop;
  StoreOptions options;
  std::unique_ptr<EtcdServer> etcd;
  std::unique_ptr<BlockingRegistry> session;
};

TEST_F(Etcd2Test, KeysAreWhereFlannelHasThem) {
  ASSERT_TRUE(session->create("10.5.1.0-24&fd00::-56", kValue, kDay));
  const std::string all = keys("/subnets?recursive=true");
  EXPECT_NE(all.find(R"("key":"/coreos.com/network/subnets/10.5.1.0-24\u0026fd00::-56")"),
            std::string::npos)
      << all;
  EXPECT_NE(all.find(R"("value":"{\"PublicIP\":\"192.0.2.1\"}")"), std::string::npos) << all;
  EXPECT_NE(all.find(R"("ttl":86400)"), std::string::npos) << all;
}

TEST_F(Etcd2Test, WritesOfAnOperatorAreReported) {
  WatchLog watch(*session, now(), loop);
  keys("/config", {"-XPUT", "-d", "value={}"});
  keys("/subnets/10.5.7.0-24", {"-XPUT", "-d", "value=reserved"});
  keys("/subnets/10.5.7.0-24", {"-XPUT", "-d", "value=leased", "-d", "ttl=60"});
  keys("/subnets/10.5.7.0-24", {"-XDELETE"});
  ASSERT_TRUE(watch.reports("gone"));
  EXPECT_EQ(watch.text(),
            "config {}\n|\nput 10.5.7.0-24=reserved\n|\nput 10.5.7.0-24=leased\n|\n"
            "gone 10.5.7.0-24\n|\n");
}

TEST_F(Etcd2Test, AReleaseIsAnExpiryToOthers) {
  const WriteResult held = session->create(kOne, kValue, kDay).value();
  ASSERT_TRUE(session->release(record_of(kOne, kValue, held)));
  EXPECT_EQ(action_after(held.revision), "expire");
}

TEST_F(Etcd2Test, AReservationIsReleasedToo) {
  const WriteResult held = session->create(kOne, kValue, {}).value();
  ASSERT_TRUE(session->release(record_of(kOne, kValue, held)));
  EXPECT_TRUE(session->snapshot()->records.empty());
}

TEST_F(Etcd2Test, ARenewalLeavesTheValueAlone) {
  const WriteResult held = session->create(kOne, kValue, seconds(60)).value();
  const WriteResult renewed = session->renew(record_of(kOne, kValue, held), kDay).value();
  EXPECT_NE(keys("/subnets/10.5.1.0-24").find(R"("ttl":86400)"), std::string::npos);
  EXPECT_EQ(session->snapshot()->records.at(0), record_of(kOne, kValue, renewed));
  const auto replaced = session->replace(record_of(kOne, kValue, renewed), "new", kDay);
  EXPECT_TRUE(replaced) << replaced.error().text;
}

TEST_F(Etcd2Test, AnOperatorsWriteBetweenRenewalsIsAConflict) {
  const Record seen = record_of(kOne, kValue, session->create(kOne, kValue, kDay).value());
  ASSERT_TRUE(session->renew(seen, kDay));
  keys("/subnets/10.5.1.0-24", {"-XPUT", "-d", "value=mine now"});
  EXPECT_EQ(session->renew(seen, kDay).error().kind, ErrorKind::conflict);
  EXPECT_EQ(session->release(seen).error().kind, ErrorKind::conflict);
}

TEST_F(Etcd2Test, ADeletedDirectoryLosesThePosition) {
  for (const char* directory : {"/subnets", "", "/.."}) {
    ASSERT_TRUE(session->create(kOne, kValue, kDay));
    WatchLog watch(*session, now(), loop);
    keys(std::string(directory) + "?recursive=true", {"-XDELETE", "--path-as-is"});
    ASSERT_TRUE(watch.reports("position lost")) << directory;
    EXPECT_TRUE(session->snapshot()->records.empty()) << directory;
  }
}

TEST_F(Etcd2Test, AnEtcdThatWasKilledIsMissedAndTakenUpAgain) {
  ASSERT_TRUE(session->create(kOne, kValue, kDay));
  WatchLog watch(*session, now(), loop);
  etcd->stop();
  ASSERT_TRUE(watch.reports("disconnected"));
  EXPECT_EQ(session->snapshot().error().kind, ErrorKind::unavailable);
  ASSERT_TRUE(etcd->start_again());
  EXPECT_EQ(session->snapshot().value().records.size(), 1U);
  // The history is in the memory of etcd: from before the restart there is none, or all of it.
  WatchLog again(*session, now(), loop);
  ASSERT_TRUE(session->create(kTwo, kValue, kDay));
  EXPECT_TRUE(again.reports("put " + kTwo));
}

TEST_F(Etcd2Test, AFrozenEtcdIsNoticed) {
  etcd->freeze();
  WatchLog watch(*session, 1, loop);
  EXPECT_EQ(session->snapshot().error().kind, ErrorKind::unavailable);
  EXPECT_TRUE(watch.reports("disconnected"));
  etcd->thaw();
}

TEST_F(Etcd2Test, ClosingDoesNotWaitForAFrozenEtcd) {
  etcd->freeze();
  session->registry().snapshot([](const Result<Snapshot>&) { ADD_FAILURE(); });
  const TimePoint before = BootClock::now();
  session->close();
  EXPECT_LT(BootClock::now() - before, kKeysDeadline);
  etcd->thaw();
}

TEST_F(Etcd2Test, AnEtcdThatLostItsDataHasLostOurPosition) {
  for (int i = 0; i < 10; ++i)
    ASSERT_TRUE(session->create(fmt::format("10.5.{}.0-24", i), kValue, {}));
  const Revision before = now();
  etcd->wipe();
  ASSERT_TRUE(etcd->start_again());
  WatchLog watch(*session, before, loop);
  EXPECT_TRUE(watch.reports("position lost"));
}

TEST_F(Etcd2Test, ADeadEndpointIsPassedOver) {
  const ReservedPort dead;
  const auto both = open({url_of(dead.number()), etcd->url()});
  EXPECT_TRUE(both->create(kOne, kValue, kDay)) << "nothing reached the dead one";
  WatchLog watch(*both, now(), loop);
  ASSERT_TRUE(both->create(kTwo, kValue, kDay));
  EXPECT_TRUE(watch.reports("put " + kTwo));
}

TEST_F(Etcd2Test, ACreateWhoseAnswerGotLostIsNotSentAgain) {
  TcpRelay relay(etcd->port());
  const auto spoiled = open({url_of(relay.port()), etcd->url()});
  relay.swallow_answers();
  EXPECT_EQ(spoiled->create(kOne, kValue, kDay).error().kind, ErrorKind::unavailable)
      << "`exists` would mean that another host has it";
  EXPECT_TRUE(spoiled->snapshot()) << "the other endpoint is asked next";
  EXPECT_EQ(spoiled->create(kOne, kValue, kDay).error().kind, ErrorKind::exists);
}

TEST_F(Etcd2Test, AMissingV2ApiIsAnError) {
  const auto v3_only = EtcdServer::start().value();
  const auto refused = open({v3_only->url()})->snapshot();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::unsupported);
  EXPECT_NE(refused.error().text.find("--enable-v2"), std::string::npos) << refused.error().text;
}

TEST_F(Etcd2Test, UsersAndPasswordsAreChecked) {
  curl("/auth/users/root", {"-XPUT", "-d", R"({"user":"root","password":"rootpw"})"});
  curl("/auth/enable", {"-XPUT"});
  // What nobody may do is what the role of guests has: take it away.
  curl("/auth/roles/guest", {"-XPUT", "-u", "root:rootpw", "-d",
                             R"({"role":"guest","revoke":{"kv":{"read":["/*"],"write":["/*"]}}})"});
  EXPECT_EQ(session->snapshot().error().kind, ErrorKind::denied);
  options.username = "root";
  options.password.text = "wr0ng";
  const auto refused = open({etcd->url()})->snapshot();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::denied);
  EXPECT_EQ(refused.error().text.find("wr0ng"), std::string::npos) << refused.error().text;
  const TemporaryFolder folder;
  const std::string file = folder.path() + "/password";
  ASSERT_TRUE(write_file_atomically(file, "wr0ng", 0600));
  options.password = Password::read(file).value();
  const auto root = open({etcd->url()});
  EXPECT_EQ(root->snapshot().error().kind, ErrorKind::denied);
  ASSERT_TRUE(write_file_atomically(file, "rootpw", 0600));
  const auto all = root->snapshot();
  ASSERT_TRUE(all) << all.error().text;
  WatchLog watch(*root, all->revision, loop);
  ASSERT_TRUE(root->create(kOne, kValue, kDay));
  EXPECT_TRUE(watch.reports("put"));
}

TEST_F(Etcd2Test, AllCallsUnderWayGetTheNewPassword) {
  curl("/auth/users/root", {"-XPUT", "-d", R"({"user":"root","password":"rootpw"})"});
  curl("/auth/enable", {"-XPUT"});
  const TemporaryFolder folder;
  const std::string file = folder.path() + "/password";
  ASSERT_TRUE(write_file_atomically(file, "wr0ng", 0600));
  options.username = "root";
  options.password = Password::read(file).value();
  const auto root = open({etcd->url()});
  ASSERT_TRUE(write_file_atomically(file, "rootpw", 0600));
  std::vector<std::string> answers;
  for (const std::string& key : {kOne, kTwo}) {
    root->registry().create_if_absent(key, kValue, kDay, [&](const Result<WriteResult>& held) {
      answers.push_back(held ? "made" : held.error().text);
      loop.check();
    });
  }
  ASSERT_TRUE(loop.until([&] { return answers.size() == 2; }));
  EXPECT_EQ(answers, (std::vector<std::string>{"made", "made"}));
}

TEST_F(Etcd2Test, WithoutChoiceTheConfigurationDecides) {
  options.etcd_api = EtcdApi::automatic;
  options.endpoints = {etcd->url()};
  const auto open_any = [&] {
    return std::make_unique<BlockingRegistry>(open_registry(options, loop.loop()).value(), loop);
  };
  const auto early = open_any();
  const Snapshot empty = early->snapshot().value();
  EXPECT_FALSE(empty.config);
  WatchLog watch(*early, empty.revision, loop);
  keys("/config", {"-XPUT", "-d", "value={2}"});
  ASSERT_TRUE(watch.reports("position lost"));
  EXPECT_EQ(early->snapshot()->config->text, "{2}");
  EXPECT_TRUE(early->registry().describe().starts_with("etcd v2 at "))
      << early->registry().describe();
  EXPECT_EQ(open_any()->snapshot()->config->text, "{2}");
  etcd->ctl({"put", "/coreos.com/network/config", "{3}"}).value();
  EXPECT_EQ(open_any()->snapshot()->config->text, "{3}");
}

}  // namespace
}  // namespace flannel::etcd2_registry_test
