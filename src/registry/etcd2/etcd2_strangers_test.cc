// SPDX-License-Identifier: Apache-2.0
// What others put beside our keys, and who stands between us and etcd.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "registry/open_registry.h"
#include "support/blocking_registry.h"
#include "support/etcd_server.h"
#include "support/tcp_relay.h"
#include "support/temporary_folder.h"

namespace flannel::etcd2_strangers_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kLease = R"({"PublicIP":"192.0.2.1"})";

class Etcd2StrangersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdServer::installed() || !program_installed("curl")) {
      GTEST_SKIP() << "etcd, etcdctl and curl are not all installed: etcd v2 IS NOT TESTED";
    }
    etcd = EtcdServer::start({}, {.v2 = true, .flags = {"--max-request-bytes", "4194304"}}).value();
  }

  std::unique_ptr<BlockingRegistry> open(const std::string& url, EtcdApi api = EtcdApi::v2) {
    StoreOptions options;
    options.etcd_api = api;
    options.endpoints = {url};
    return std::make_unique<BlockingRegistry>(open_registry(options, loop.loop()).value(), loop);
  }

  std::string put(const std::string& key, const std::vector<std::string>& data) {
    std::vector<std::string> words = {"curl", "-s", "--max-time", "20", "-XPUT"};
    words.insert(words.end(), data.begin(), data.end());
    words.push_back(etcd->url() + "/v2/keys/coreos.com/network/" + key);
    return run_command(words).value();
  }

  static std::string keys_of(const Snapshot& all) {
    std::string keys;
    for (const Record& record : all.records)
      keys += record.key + " ";
    return keys;
  }

  PatientLoop loop;
  std::unique_ptr<EtcdServer> etcd;
};

TEST_F(Etcd2StrangersTest, DirectoriesDeepBelowSubnetsAreOneRecord) {
  put("config", {"-d", "value={}"});
  put("subnets/" + kOne, {"-d", "value=" + kLease});
  std::string deep = "subnets/stranger";
  for (int i = 0; i < 36; ++i)
    deep += "/d";
  put(deep, {"-d", "value=x"});
  for (const EtcdApi api : {EtcdApi::v2, EtcdApi::automatic}) {
    const auto session = open(etcd->url(), api);
    const auto all = session->snapshot();
    ASSERT_TRUE(all) << all.error().text;
    EXPECT_TRUE(all->config);
    EXPECT_EQ(keys_of(*all), kOne + " stranger/d/d/d/d/d/d/d/ ");
  }
  const auto session = open(etcd->url());
  WatchLog watch(*session, session->snapshot()->revision, loop);
  put(deep, {"-d", "value=y"});
  put("subnets/" + kTwo, {"-d", "value=" + kLease});
  ASSERT_TRUE(watch.reports("put " + kTwo));
  EXPECT_EQ(watch.text(), "put stranger/d/d/d/d/d/d/d/=\n|\nput " + kTwo + "=" + kLease + "\n|\n");
}

TEST_F(Etcd2StrangersTest, ManyRecordsOfAMegabyteHideNoOther) {
  put("config", {"-d", "value={}"});
  put("subnets/" + kOne, {"-d", "value=" + kLease});
  const TemporaryFolder folder;
  const std::string file = folder.path() + "/big";
  ASSERT_TRUE(write_file_atomically(file, "value=" + std::string(1'000'000, 'x'), 0600));
  for (int i = 0; i < 68; ++i)
    put(fmt::format("subnets/junk-{}", i), {"-d", "@" + file});
  for (const EtcdApi api : {EtcdApi::v2, EtcdApi::automatic}) {
    const auto session = open(etcd->url(), api);
    auto all = session->snapshot();
    // A busy machine takes longer than the deadline to put 68 MB together.
    for (int tries = 0; tries < 5 && !all && all.error().kind == ErrorKind::unavailable; ++tries)
      all = session->snapshot();
    ASSERT_TRUE(all) << all.error().text;
    EXPECT_TRUE(all->config);
    EXPECT_EQ(all->records.size(), 69U);
    EXPECT_EQ(all->records[0].value, kLease);
  }
}

// "etcd --proxy on" sends the head of a poll's answer together with the event.
class QuietProxyTest : public Etcd2StrangersTest {
 protected:
  void SetUp() override {
    Etcd2StrangersTest::SetUp();
    if (IsSkipped()) return;
    proxy.emplace(
        ChildProcess::start(
            {"etcd", "--proxy", "on", "--proxy-refresh-interval", "500", "--proxy-failure-wait",
             "500", "--data-dir", folder.path() + "/proxy", "--listen-client-urls",
             url_of(port.number()), "--initial-cluster", "default=" + etcd->peer_url()},
            folder.path() + "/log")
            .value());
    session = open(url_of(port.number()));
    ASSERT_TRUE(loop.until([&] {
      loop.pass(milliseconds(100));
      return session->snapshot().has_value();
    }));
  }

  TemporaryFolder folder;
  ReservedPort port;
  std::optional<ChildProcess> proxy;
  std::unique_ptr<BlockingRegistry> session;
};

TEST_F(QuietProxyTest, AQuietPollIsNoFailure) {
  const StoreFailures before = session->registry().failures();
  WatchLog watch(*session, session->snapshot()->revision, loop);
  loop.pass(seconds(8));
  EXPECT_EQ(watch.text(), "");
  EXPECT_EQ(session->registry().failures(), before);
  put("subnets/" + kOne, {"-d", "value=" + kLease});
  EXPECT_TRUE(watch.reports("put " + kOne)) << "and the poll still reports changes";
}

TEST_F(QuietProxyTest, AFrozenEtcdBehindItIsNoticed) {
  const Revision at = session->snapshot()->revision;
  etcd->freeze();
  const TimePoint begun = BootClock::now();
  WatchLog watch(*session, at, loop);
  EXPECT_TRUE(watch.reports("disconnected"));
  EXPECT_LT(BootClock::now() - begun, seconds(15));
  etcd->thaw();
}

}  // namespace
}  // namespace flannel::etcd2_strangers_test
