// SPDX-License-Identifier: Apache-2.0
// Which rights a role of etcd needs, and what is said where one is missing.
#include <gtest/gtest.h>

#include "registry/open_registry.h"
#include "support/blocking_registry.h"
#include "support/etcd_server.h"

namespace flannel::etcd_rights_test {
namespace {

constexpr const char* kConfig = "/coreos.com/network/config";
constexpr const char* kSubnets = "/coreos.com/network/subnets/";

class EtcdRightsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdServer::installed()) {
      GTEST_SKIP() << "etcd and etcdctl are not installed: RIGHTS ARE NOT TESTED";
    }
    etcd = EtcdServer::start({}, {.v2 = true}).value();
    options.endpoints = {etcd->url()};
  }

  void ctl(const std::vector<std::string>& arguments) {
    const auto done = etcd->ctl(arguments);
    ASSERT_TRUE(done) << done.error().text;
  }

  // A user of v3 with these rights, each the words after ROLE.
  std::unique_ptr<BlockingRegistry> open_with(const std::vector<std::vector<std::string>>& rights) {
    ctl({"put", kConfig, "{}"});
    ctl({"user", "add", "root:rootpw"});
    ctl({"user", "grant-role", "root", "root"});
    ctl({"user", "add", "host:pw"});
    ctl({"role", "add", "host"});
    for (std::vector<std::string> right : rights) {
      right.insert(right.begin(), {"role", "grant-permission", "host"});
      ctl(right);
    }
    ctl({"user", "grant-role", "host", "host"});
    ctl({"auth", "enable"});
    etcd->with_ctl_flags({"--user", "root:rootpw"});
    options.username = "host";
    options.password.text = "pw";
    options.etcd_api = EtcdApi::v3;
    return std::make_unique<BlockingRegistry>(open_registry(options, loop.loop()).value(), loop);
  }

  static std::string missing(const Error& error) {
    EXPECT_EQ(error.kind, ErrorKind::denied) << error.text;
    const std::string before = "\"etcdctl role grant-permission ROLE ";
    const auto at = error.text.find(before);
    if (at == std::string::npos) return "not named: " + error.text;
    const auto begin = at + before.size();
    return error.text.substr(begin, error.text.find('"', begin) - begin);
  }

  PatientLoop loop;
  std::unique_ptr<EtcdServer> etcd;
  StoreOptions options;
};

// What the daemon of a host does, but for writing the configuration.
TEST_F(EtcdRightsTest, ToReadTheConfigurationAndToWriteTheRecordsIsEnough) {
  for (const char* prefix : {"/coreos.com/network/subnets/", "/coreos.com/network/subnets"}) {
    if (etcd) SetUp();
    const auto session = open_with({{"read", kConfig}, {"--prefix=true", "readwrite", prefix}});
    const auto all = session->snapshot();
    ASSERT_TRUE(all) << all.error().text;
    EXPECT_TRUE(all->config);
    WatchLog watch(*session, all->revision, loop);
    const auto held = session->create(kOne, "one", kDay);
    ASSERT_TRUE(held) << held.error().text;
    EXPECT_TRUE(watch.reports("put " + kOne)) << watch.text() << watch.error().text;
    const Record one = record_of(kOne, "one", *held);
    EXPECT_TRUE(session->renew(one, kDay));
    ctl({"put", kConfig, "{2}"});
    EXPECT_TRUE(watch.reports("config {2}")) << watch.text() << watch.error().text;
    EXPECT_TRUE(session->release(one));
    EXPECT_TRUE(watch.reports("gone " + kOne)) << watch.text() << watch.error().text;
    // From where it says that it is, nothing that came later is missing.
    WatchLog again(*session, watch.reached(), loop);
    ASSERT_TRUE(session->create(kTwo, "two", kDay));
    EXPECT_TRUE(again.reports("put " + kTwo)) << again.text() << again.error().text;
    EXPECT_EQ(missing(session->write_config("{3}", 1).error()),
              std::string("readwrite ") + kConfig);
  }
}

TEST_F(EtcdRightsTest, WithoutTheConfigurationThatRightIsNamed) {
  const auto session = open_with({{"--prefix=true", "readwrite", kSubnets}});
  EXPECT_EQ(missing(session->snapshot().error()), std::string("read ") + kConfig);
  WatchLog watch(*session, 1, loop);
  ASSERT_TRUE(watch.reports("disconnected"));
  EXPECT_EQ(missing(watch.error()), std::string("read ") + kConfig);
}

TEST_F(EtcdRightsTest, WithoutTheRecordsThatRightIsNamed) {
  const auto session = open_with({{"read", kConfig}});
  EXPECT_EQ(missing(session->snapshot().error()), std::string("--prefix=true read ") + kSubnets);
  WatchLog watch(*session, 1, loop);
  ASSERT_TRUE(watch.reports("disconnected"));
  EXPECT_EQ(missing(watch.error()), std::string("--prefix=true read ") + kSubnets);
}

TEST_F(EtcdRightsTest, AUserThatMayOnlyReadIsGivenTheNameOfTheMissingRight) {
  const auto session = open_with({{"read", kConfig}, {"--prefix=true", "read", kSubnets}});
  ASSERT_TRUE(session->snapshot());
  EXPECT_EQ(missing(session->create(kOne, "one", kDay).error()),
            std::string("--prefix=true readwrite ") + kSubnets);
}

TEST_F(EtcdRightsTest, UnderV2TheRightIsNamedToo) {
  const std::string v2 = etcd->url() + "/v2/";
  const auto curl = [&](std::vector<std::string> words, const std::string& path) {
    words.insert(words.begin(), {"curl", "-s", "--max-time", "20", "-XPUT"});
    words.push_back(v2 + path);
    ASSERT_TRUE(run_command(words));
  };
  curl({"-d", "value={}"}, "keys/coreos.com/network/config");
  curl({"-d", R"({"user":"root","password":"rootpw"})"}, "auth/users/root");
  curl({}, "auth/enable");
  curl({"-u", "root:rootpw", "-d",
        R"({"role":"guest","revoke":{"kv":{"read":["/*"],"write":["/*"]}}})"},
       "auth/roles/guest");
  options.etcd_api = EtcdApi::v2;
  BlockingRegistry session(open_registry(options, loop.loop()).value(), loop);
  const auto all = session.snapshot();
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().kind, ErrorKind::denied);
  EXPECT_NE(all.error().text.find("etcdctl role grant ROLE -path '/coreos.com/network/*' -read"),
            std::string::npos)
      << all.error().text;
}

}  // namespace
}  // namespace flannel::etcd_rights_test
