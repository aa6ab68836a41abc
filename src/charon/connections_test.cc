// SPDX-License-Identifier: Apache-2.0
// What charon is told, with a charon that keeps it.
#include "charon/connections.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "charon/connection.h"
#include "support/manual_loop.h"

namespace flannel::connections_test {
namespace {

// Answers in a turn of its own, as over a socket.
class FakeCharon final : public ViciPort {
 public:
  explicit FakeCharon(ManualLoop& loop) : loop_(loop) {}

  void call(std::string_view command, const ViciSection& arguments, Answered done,
            std::string_view rows, Answered on_row) override {
    EXPECT_FALSE(is_asked_) << command << ": one command at a time";
    is_asked_ = true;
    loop_.poster()->post([=, this, command = std::string(command), rows = std::string(rows)] {
      if (is_gone) return;
      is_asked_ = false;
      if (rows == "list-sa") {
        for (const std::string& name : tunnels)
          on_row({.sections = {{name, standing()}}});
      }
      done(answer(command, arguments));
    });
  }

  std::string take_log() { return std::exchange(log_, {}); }

  std::map<std::string, ViciSection> keys, connections;
  std::set<std::string> tunnels;  // that stand
  std::string refusal;            // of load-conn
  bool is_gone = false;

 private:
  static ViciSection standing() {
    const ViciSection child{.values = {{"state", "INSTALLED"}}};
    return {.values = {{"state", "ESTABLISHED"}},
            .sections = {{"child-sas", {.sections = {{"child-1", child}}}}}};
  }
  static std::vector<std::string> names(const std::map<std::string, ViciSection>& all) {
    std::vector<std::string> names;
    for (const auto& [name, one] : all)
      names.push_back(name);
    return names;
  }

  ViciSection answer(const std::string& command, const ViciSection& arguments) {
    if (command == "get-shared") return {.lists = {{"keys", names(keys)}}};
    if (command == "get-conns") return {.lists = {{"conns", names(connections)}}};
    if (command == "list-sas") return {};
    const bool is_load = command == "load-conn";
    const std::string name(is_load ? arguments.sections.front().first
                                   : arguments.values.front().second);
    log_ += command + " " + name + "\n";
    if (is_load && !refusal.empty()) {
      return {.values = {{"success", "no"}, {"errmsg", refusal}}};
    }
    if (is_load) connections[name] = arguments;
    if (is_load || command == "initiate") tunnels.insert(name);
    if (command == "load-shared") keys[name] = arguments;
    if (command == "unload-conn") connections.erase(name);
    if (command == "unload-shared") keys.erase(name);
    if (command == "terminate") tunnels.erase(name);
    return {.values = {{"success", "yes"}}};
  }

  ManualLoop& loop_;
  bool is_asked_ = false;
  std::string log_;
};

IpsecPeer peer(int number) {
  const std::string text = std::to_string(number);
  return {.own_ip = IpAddress::parse("192.0.2.1").value(),
          .ip = IpAddress::parse("192.0.2." + text).value(),
          .own_subnet = IpPrefix::parse("10.5.1.0/24").value(),
          .subnet = IpPrefix::parse("10.5." + text + ".0/24").value()};
}

const IpsecSettings kSettings{.psk = "secret", .proposal = "aes128gcm16-sha256-prfsha256-ecp256"};
constexpr const char* kName2 = "192.0.2.1-10.5.1.0/24-10.5.2.0/24-192.0.2.2";
constexpr const char* kName3 = "192.0.2.1-10.5.1.0/24-10.5.3.0/24-192.0.2.3";

class CharonConnectionsTest : public testing::Test {
 protected:
  void want(const std::vector<IpsecPeer>& peers, const IpsecSettings& settings = kSettings) {
    connections_.set_wanted(settings, peers);
    loop_.run_until_idle();
  }
  void connect() {
    connections_.connected(charon_);
    loop_.run_until_idle();
  }
  std::string problems() const {
    std::vector<Problem> all;
    connections_.append_problems(all);
    std::string text;
    for (const Problem& one : all)
      text += one.text + "\n";
    return text;
  }

  ManualLoop loop_;
  FakeCharon charon_{loop_};
  CharonConnections connections_{{.loop = loop_, .on_state = [] {}}};
};

TEST_F(CharonConnectionsTest, AConnectionIsThatOfUpstream) {
  want({peer(2)});
  connect();
  EXPECT_EQ(charon_.take_log(), "load-shared flannel-192.0.2.1\nload-shared flannel-192.0.2.2\n" +
                                    ("load-conn " + std::string(kName2)) + "\n");
  const ViciSection& loaded = charon_.connections.at(kName2).sections.front().second;
  EXPECT_EQ(loaded.value("version"), "2");
  EXPECT_EQ(loaded.value("encap"), "no");
  EXPECT_EQ(loaded.value("keyingtries"), "0");
  EXPECT_EQ(loaded.value("mobike"), "no");
  EXPECT_EQ(loaded.value("unique"), "never");
  EXPECT_EQ(*loaded.list("local_addrs"), std::vector<std::string>{"192.0.2.1"});
  EXPECT_EQ(*loaded.list("remote_addrs"), std::vector<std::string>{"192.0.2.2"});
  EXPECT_EQ(*loaded.list("proposals"), std::vector<std::string>{"aes256-sha256-modp4096"});
  EXPECT_EQ(loaded.section("local")->value("auth"), "psk");
  EXPECT_EQ(loaded.section("remote")->value("auth"), "psk");
  const ViciSection* child = loaded.section("children")->section("10.5.1.0/24-10.5.2.0/24");
  ASSERT_NE(child, nullptr);
  EXPECT_EQ(*child->list("local_ts"), std::vector<std::string>{"10.5.1.0/24"});
  EXPECT_EQ(*child->list("remote_ts"), std::vector<std::string>{"10.5.2.0/24"});
  EXPECT_EQ(*child->list("esp_proposals"), std::vector<std::string>{kSettings.proposal});
  for (const auto& [key, value] : std::map<std::string, std::string>{{"reqid", "11"},
                                                                     {"mode", "tunnel"},
                                                                     {"policies", "no"},
                                                                     {"start_action", "start"},
                                                                     {"close_action", "trap"},
                                                                     {"dpd_action", "restart"},
                                                                     {"rekey_time", "1h"}}) {
    EXPECT_EQ(child->value(key), value) << key;
  }
  const ViciSection& key = charon_.keys.at("flannel-192.0.2.2");
  EXPECT_EQ(key.value("type"), "IKE");
  EXPECT_EQ(key.value("data"), "secret");
  EXPECT_EQ(*key.list("owners"), std::vector<std::string>{"192.0.2.2"});
}

TEST_F(CharonConnectionsTest, NothingIsUnloadedBeforeThePeersAreKnown) {
  charon_.connections[kName2] = {};
  connect();
  EXPECT_EQ(charon_.take_log(), "");
  want({});
  EXPECT_EQ(charon_.take_log(),
            "unload-conn " + std::string(kName2) + "\nterminate " + kName2 + "\n");
}

TEST_F(CharonConnectionsTest, APeerThatGoesIsUnloadedWithItsTunnelAndItsKey) {
  want({peer(2), peer(3)});
  connect();
  charon_.take_log();
  want({peer(2)});
  EXPECT_EQ(charon_.take_log(), "unload-conn " + std::string(kName3) +
                                    "\nunload-shared flannel-192.0.2.3\nterminate " + kName3 +
                                    "\n");
  EXPECT_EQ(charon_.tunnels, std::set<std::string>{kName2});
}

TEST_F(CharonConnectionsTest, WhatOthersHaveLoadedStays) {
  charon_.connections["office"] = {};
  charon_.keys["office-key"] = {};
  want({peer(2)});
  connect();
  want({});
  EXPECT_TRUE(charon_.connections.contains("office"));
  EXPECT_TRUE(charon_.keys.contains("office-key"));
  EXPECT_TRUE(connections_.is_empty());
}

TEST_F(CharonConnectionsTest, AnotherCharonGetsAllAgain) {
  want({peer(2)});
  connect();
  const auto all = charon_.connections;
  charon_.connections.clear();
  charon_.keys.clear();
  connections_.disconnected();
  EXPECT_FALSE(connections_.is_empty());
  connect();
  EXPECT_EQ(charon_.connections, all);
  EXPECT_EQ(charon_.keys.size(), 2U);
}

TEST_F(CharonConnectionsTest, AnotherKeyIsLoadedAndTunnelsStand) {
  want({peer(2)});
  connect();
  charon_.take_log();
  want({peer(2)}, {.psk = "another", .proposal = kSettings.proposal});
  EXPECT_EQ(charon_.take_log(), "load-shared flannel-192.0.2.1\nload-shared flannel-192.0.2.2\n");
}

TEST_F(CharonConnectionsTest, WhatIsRefusedIsAProblemAndTriedAgain) {
  charon_.refusal = "invalid value for: esp_proposals";
  want({peer(2)});
  connect();
  EXPECT_EQ(problems(),
            "charon refuses " + std::string(kName2) + ": invalid value for: esp_proposals\n");
  charon_.refusal.clear();
  loop_.advance(std::chrono::seconds(2));
  EXPECT_TRUE(charon_.connections.contains(kName2));
  EXPECT_EQ(problems(), "");
}

TEST_F(CharonConnectionsTest, ATunnelThatIsGoneIsBegunAndOneThatNobodyWantsIsEnded) {
  want({peer(2)});
  connect();
  charon_.take_log();
  charon_.tunnels = {kName3, "office"};
  loop_.advance(CharonConnections::kLookPause);
  EXPECT_EQ(charon_.take_log(), "terminate " + std::string(kName3) + "\ninitiate " + kName2 + "\n");
  EXPECT_EQ(charon_.tunnels, (std::set<std::string>{kName2, "office"}));
  loop_.advance(CharonConnections::kLookPause);
  EXPECT_EQ(charon_.take_log(), "");
}

TEST_F(CharonConnectionsTest, ACharonThatEndsInACommandIsNoHindrance) {
  want({peer(2)});
  charon_.is_gone = true;
  connect();
  connections_.disconnected();
  FakeCharon next(loop_);
  connections_.connected(next);
  loop_.run_until_idle();
  EXPECT_TRUE(next.connections.contains(kName2));
}

TEST(ConnectionNameTest, OnlyItsOwnFormIsAName) {
  EXPECT_TRUE(is_connection_name(kName2));
  EXPECT_EQ(connection_name(peer(2)), kName2);
  for (const char* other : {"", "office", "192.0.2.1-10.5.1.0/24-10.5.2.0/24", "a-b-c-d",
                            "192.0.2.1-10.5.1.0/24-10.5.2.0/24-192.0.2.2-x"}) {
    EXPECT_FALSE(is_connection_name(other)) << other;
  }
}

}  // namespace
}  // namespace flannel::connections_test
