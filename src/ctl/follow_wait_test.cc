// SPDX-License-Identifier: Apache-2.0
#include "ctl/follow_wait.h"

#include <fmt/format.h>

#include "support/ctl_fixture.h"

namespace flannel::follow_wait_test {
namespace {

constexpr const char* kUdp = R"({"Network":"10.5.0.0/16"})";

// The lease of host 192.0.2.`host`; `node` 0: of another flannel.
std::string value(int host, int node, const std::string& members = "") {
  const std::string tag = node == 0 ? "" : fmt::format(R"(,"NodeID":"{:032x}/00000001")", node);
  return fmt::format(R"({{"PublicIP":"192.0.2.{}"{}{}}})", host, members, tag);
}
std::string vxlan(int host, int node, int vni = 1) {
  return value(host, node,
               fmt::format(R"(,"BackendType":"vxlan","BackendData":{{"VNI":{},"VtepMAC":)"
                           R"("02:00:00:00:00:{:02x}"}})",
                           vni, host));
}

TEST_F(CtlTest, WaitEndsWhenAllHostsAnnounceTheNewDataPlane) {
  ctl({"config", "set", kUdp});
  lease("10.5.7.0-24", vxlan(7, 7));
  lease("10.5.8.0-24", value(8, 0));
  const Said done = ctl({"config", "set", "--wait=50ms", "--force", kVxlan});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_TRUE(done.out.ends_with("1 of 1 hosts have followed\n")) << done.out;

  lease("10.5.9.0-24", vxlan(9, 9, 2));
  const Said again = ctl({"config", "set", "--wait=50ms", kVxlan});
  EXPECT_EQ(again.code, 1);
  EXPECT_EQ(again.out, "unchanged, the store has this configuration already\n");
  EXPECT_EQ(again.err,
            "flannelctl: warning: 10.5.9.0/24 of 192.0.2.9 has not followed: it announces vxlan "
            "(VNI 2, Port 8472)\n"
            "flannelctl: 1 of 2 hosts have not followed within 50 ms (--wait)\n");
}

TEST_F(CtlTest, WaitIsATimeOfASetConfiguration) {
  const auto wait_of = [](const Words& words) {
    return parse_ctl_command_line(words, no_environment)->options.wait;
  };
  EXPECT_EQ(wait_of({"config", "set", kUdp}), std::nullopt);
  EXPECT_EQ(wait_of({"config", "set", "--wait", kUdp}), milliseconds(60'000));
  EXPECT_EQ(wait_of({"config", "set", "--wait=5", kUdp}), milliseconds(5000));
  EXPECT_EQ(mistake({"config", "set", "--wait=soon", kUdp}),
            "--wait: \"soon\" is no time such as 500ms, 10s or 1m");
  EXPECT_EQ(mistake({"config", "check", "--wait", kUdp}), "--wait means nothing to `config check`");
}

class FollowWaitTest : public testing::Test {
 protected:
  NetworkConfig config = parse_network_config(kVxlan).value().config;
  Snapshot snapshot{0, ConfigRecord{kVxlan, 1}, {}};
  std::ostringstream out, err;
  std::istringstream in;

  void record(const std::string& key, const std::string& text, Revision at) {
    snapshot.records.push_back({key, text, at, "lease", at});
  }
  Result<void> wait(const std::function<Result<Snapshot>()>& list) {
    return wait_for_followers(config, kVxlan, {milliseconds(200), milliseconds(1)}, list,
                              {in, out, err});
  }
};

TEST_F(FollowWaitTest, AHostWithTwoLeasesHasFollowedWithOne) {
  record("10.4.7.0-24", vxlan(7, 7), 1);
  record("10.5.7.0-24", vxlan(7, 7), 2);
  record("10.4.8.0-24", vxlan(8, 8), 3);
  const Followers followers = followers_of(config, snapshot);
  EXPECT_EQ(followers.hosts, 2U);
  EXPECT_EQ(followers.late,
            Words{"10.4.8.0/24 of 192.0.2.8 has not followed: it is outside of the new network"});
}

TEST_F(FollowWaitTest, ListsUntilTheLastHostHasFollowed) {
  record("10.5.7.0-24", value(7, 7), 1);
  int calls = 0;
  const auto list = [&]() -> Result<Snapshot> {
    if (++calls == 2) return fail(ErrorKind::unavailable, "the store is down");
    if (calls == 4) snapshot.records[0].value = vxlan(7, 7);
    return snapshot;
  };
  EXPECT_TRUE(wait(list));
  EXPECT_EQ(calls, 4);
  EXPECT_EQ(out.str(), "1 of 1 hosts have followed\n");
}

TEST_F(FollowWaitTest, FailsWhenTheStoreIsDownAtTheEnd) {
  const auto done =
      wait([]() -> Result<Snapshot> { return fail(ErrorKind::unavailable, "the store is down"); });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().text, "the store is down");
}

TEST_F(FollowWaitTest, EndsWhenAnotherConfigurationIsWritten) {
  snapshot.config->text = kUdp;
  const auto done = wait([&]() -> Result<Snapshot> { return snapshot; });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::conflict);
}

TEST_F(FollowWaitTest, WithoutHostsThereIsNothingToWaitFor) {
  EXPECT_TRUE(wait([&]() -> Result<Snapshot> { return snapshot; }));
  EXPECT_EQ(out.str(), "no host with a node id has a lease\n");
}

}  // namespace
}  // namespace flannel::follow_wait_test
