// SPDX-License-Identifier: Apache-2.0
// Tokens and policies of a real Consul whose ACLs deny by default.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "registry/open_registry.h"
#include "support/blocking_registry.h"
#include "support/consul_server.h"
#include "support/temporary_folder.h"

namespace flannel::consul_rights_test {
namespace {

const std::string kRoot = "5f2f3a9e-0000-4000-8000-000000000001";

// Text as a JSON string; the rules have no other characters that need it.
std::string quoted_json(const std::string& text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"') json += '\\';
    if (c == '\n') {
      json += "\\n";
    } else {
      json += c;
    }
  }
  return json + "\"";
}

std::string member(const std::string& json, const std::string& name) {
  const std::string begin = "\"" + name + "\":\"";
  const auto at = json.find(begin);
  if (at == std::string::npos) return {};
  return json.substr(at + begin.size(), json.find('"', at + begin.size()) - at - begin.size());
}

class ConsulRightsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (ConsulServer::program().empty()) {
      GTEST_SKIP() << "FLANNEL_CONSUL names no Consul: the ACLs of Consul ARE NOT TESTED";
    }
    consul = ConsulServer::start(fmt::format(R"("acl":{{"enabled":true,"default_policy":"deny",)"
                                             R"("tokens":{{"master":"{}"}}}},)",
                                             kRoot),
                                 kRoot)
                 .value();
    const std::string answer =
        consul
            ->request("PUT", "/v1/acl/policy",
                      R"({"Name":"flannel","Rules":)" + quoted_json(rules_of_package()) + "}")
            .value();
    policy = member(answer, "ID");
    token = new_token();
  }

  static std::string rules_of_package() { return read_file(CONSUL_POLICY).value(); }

  void set_rules(const std::string& rules) {
    consul
        ->request("PUT", "/v1/acl/policy/" + policy,
                  R"({"Name":"flannel","Rules":)" + quoted_json(rules) + "}")
        .value();
  }

  std::string new_token() {
    return member(
        consul->request("PUT", "/v1/acl/token", R"({"Policies":[{"Name":"flannel"}]})").value(),
        "SecretID");
  }

  std::unique_ptr<BlockingRegistry> open(Password with) {
    StoreOptions options;
    options.kind = StoreKind::consul;
    options.consul.endpoints = {consul->url()};
    options.consul.token = std::move(with);
    return std::make_unique<BlockingRegistry>(open_registry(options, loop.loop()).value(), loop);
  }

  PatientLoop loop;
  std::unique_ptr<ConsulServer> consul;
  std::string policy, token;
};

TEST_F(ConsulRightsTest, ThePolicyOfThePackageIsEnough) {
  const auto session = open({token, {}});
  ASSERT_TRUE(session->write_config("{}", 0));
  WatchLog watch(*session, session->snapshot().value().revision, loop);
  WriteResult held = session->create(kOne, "one", kDay).value();
  ASSERT_TRUE(watch.reports("put " + kOne));
  held = session->replace(record_of(kOne, "one", held), "two", kDay / 2).value();
  held = session->renew(record_of(kOne, "two", held), kDay).value();
  ASSERT_TRUE(session->release(record_of(kOne, "two", held)));
  ASSERT_TRUE(watch.reports("gone " + kOne));
}

TEST_F(ConsulRightsTest, WithoutARightTheErrorNamesItAndNothingIsEmpty) {
  ASSERT_TRUE(open({token, {}})->write_config("{}", 0));
  for (const std::string& wrong : {std::string(), std::string("unknown")}) {
    const auto session = open({wrong, {}});
    const auto all = session->snapshot();
    ASSERT_FALSE(all) << "an empty list is not believed";
    EXPECT_EQ(all.error().kind, ErrorKind::denied);
    EXPECT_NE(all.error().text.find("key_prefix \"coreos.com/network/\""), std::string::npos)
        << all.error().text;
    EXPECT_EQ(session->create(kOne, "one", kDay).error().kind, ErrorKind::denied);
    EXPECT_EQ(session->create(kOne, "one", {}).error().kind, ErrorKind::denied);
    EXPECT_GE(session->registry().failures().denied, 1U);
  }
}

TEST_F(ConsulRightsTest, APolicyThatIsNarrowedUnderAWatchTakesNoPeerAway) {
  const auto session = open({token, {}});
  ASSERT_TRUE(session->write_config("{}", 0));
  ASSERT_TRUE(session->create(kOne, "one", kDay));
  WatchLog watch(*session, session->snapshot().value().revision, loop);
  set_rules("node \"flannel\" { policy = \"read\" }");
  // A query that waits already is answered with the rights that it had when it began.
  const std::string key = "/v1/kv/coreos.com/network/subnets/" + kTwo;
  ASSERT_TRUE(consul->request("PUT", key, "two"));
  ASSERT_TRUE(watch.reports("put " + kTwo));
  ASSERT_TRUE(consul->request("PUT", key, "more"));
  ASSERT_TRUE(watch.reports("disconnected"));
  EXPECT_EQ(watch.text(), "put " + kTwo + "=two\n|\ndisconnected\n");
  EXPECT_EQ(watch.error().kind, ErrorKind::denied) << watch.error().text;
  EXPECT_EQ(session->snapshot().error().kind, ErrorKind::denied);
  set_rules(rules_of_package());
  EXPECT_EQ(session->snapshot().value().records.size(), 2U);
}

// The list then lacks some records, not all.
TEST_F(ConsulRightsTest, ARightToTheConfigurationAloneIsNotEnough) {
  const auto session = open({token, {}});
  ASSERT_TRUE(session->write_config("{}", 0));
  ASSERT_TRUE(session->create(kOne, "one", kDay));
  ASSERT_TRUE(session->snapshot());
  set_rules("key \"coreos.com/network/config\" { policy = \"read\" }");
  EXPECT_EQ(session->snapshot().error().kind, ErrorKind::denied);
  EXPECT_EQ(open({token, {}})->snapshot().error().kind, ErrorKind::denied);
}

// A host must not leave a network because its token is narrowed.
TEST_F(ConsulRightsTest, NetworksThatMayNotBeReadAreNotMissing) {
  ASSERT_TRUE(consul->request("PUT", "/v1/kv/coreos.com/network/blue/config", "{}"));
  ASSERT_TRUE(consul->request("PUT", "/v1/kv/coreos.com/network/green/config", "{}"));
  const auto session = open({token, {}});
  EXPECT_EQ(session->networks().value().names, (std::vector<std::string>{"blue", "green"}));
  for (const char* narrow : {"coreos.com/network/blue/", "coreos.com/other/"}) {
    set_rules("key_prefix \"" + std::string(narrow) + "\" { policy = \"read\" }");
    const auto list = session->networks();
    ASSERT_FALSE(list) << narrow;
    EXPECT_EQ(list.error().kind, ErrorKind::denied);
    EXPECT_NE(list.error().text.find("key_prefix \"coreos.com/network/\""), std::string::npos)
        << list.error().text;
  }
}

TEST_F(ConsulRightsTest, ANodeOfTheOperatorNeedsNoRightToIt) {
  set_rules(
      "key_prefix \"coreos.com/network/\" { policy = \"write\" }\n"
      "session_prefix \"flannel\" { policy = \"write\" }");
  const auto session = open({token, {}});
  const auto refused = session->create(kOne, "one", kDay);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::denied);
  EXPECT_NE(refused.error().text.find("node \"flannel\""), std::string::npos)
      << refused.error().text;
  ASSERT_TRUE(consul->request("PUT", "/v1/catalog/register",
                              R"({"Node":"flannel","Address":"127.0.0.1"})"));
  const auto held = session->create(kOne, "one", kDay);
  EXPECT_TRUE(held) << held.error().text;
}

TEST_F(ConsulRightsTest, ATokenThatWasReplacedIsReadAgain) {
  const TemporaryFolder folder;
  const std::string file = folder.path() + "/token";
  ASSERT_TRUE(write_file_atomically(file, token + "\n", 0600));
  const auto session = open(Password::read(file, "Consul token").value());
  const WriteResult held = session->create(kOne, "one", kDay).value();
  const std::string accessor =
      member(consul->request("GET", "/v1/acl/tokens?policy=" + policy).value(), "AccessorID");
  ASSERT_TRUE(write_file_atomically(file, new_token() + "\n", 0600));
  ASSERT_TRUE(consul->request("DELETE", "/v1/acl/token/" + accessor));
  const auto all = session->snapshot();
  ASSERT_TRUE(all) << all.error().text;
  EXPECT_TRUE(session->renew(record_of(kOne, "one", held), kDay));
}

}  // namespace
}  // namespace flannel::consul_rights_test
