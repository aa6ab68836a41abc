// SPDX-License-Identifier: Apache-2.0
// A host takes another WireGuard key.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <optional>

#include "support/agent_fixture.h"

namespace flannel::agent_wireguard_key_test {
namespace {

using std::chrono::seconds;

constexpr const char* kWireguard = R"({"Network":"10.5.0.0/16","Backend":{"Type":"wireguard"}})";
constexpr const char* kTheirKey = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

std::string key_of(std::uint8_t byte) {
  WireguardKey key;
  key.bytes.fill(byte);
  return to_string(key);
}

class WireguardKeyTest : public AgentTest {
 protected:
  explicit WireguardKeyTest(bool configured = true) {
    if (configured) configure(kWireguard);
  }

  void rotate() {
    agent_->network()->rotate_wireguard_key([this](const Result<RotatedKey>& rotated) {
      answered_ = rotated ? to_string(rotated->former) + " -> " + to_string(rotated->key)
                          : rotated.error().text;
    });
  }
  void put_peer(const std::string& key = kTheirKey) {
    put("10.5.9.0-24",
        fmt::format(R"({{"PublicIP":"192.0.2.9","BackendType":"wireguard","BackendData":)"
                    R"({{"PublicKey":"{}","Port":51820}}}})",
                    key));
  }
  bool has_key(std::uint8_t byte) const {
    return has(fmt::format("link flannel-wg wireguard public-key {} ", key_of(byte)));
  }
  bool announces_key(std::uint8_t byte) const {
    return announces(fmt::format(R"("PublicKey":"{}")", key_of(byte)));
  }

  std::string answered_ = "not yet";
};

TEST_F(WireguardKeyTest, TheDeviceHasTheOtherKeyBeforeTheStoreDoes) {
  put_peer();
  store_->fail_next({ErrorKind::unavailable, "no leader"});
  rotate();
  EXPECT_TRUE(has_key(11)) << kernel_.dump();
  EXPECT_TRUE(announces_key(1)) << record();
  EXPECT_EQ(answered_, "not yet");
  loop_.advance(seconds(1));  // the longest first pause
  loop_.run_until_idle();
  EXPECT_TRUE(announces_key(11)) << record();
  EXPECT_EQ(kept_key_, 11);
  EXPECT_EQ(answered_, key_of(1) + " -> " + key_of(11));
  EXPECT_EQ(problems(), std::vector<std::string>{});
  EXPECT_TRUE(has("wg peer " + std::string(kTheirKey))) << kernel_.dump();
  loop_.advance(KeyRotation::kUntilRepeat);
  loop_.run_until_idle();
  rotate();
  loop_.run_until_idle();
  EXPECT_TRUE(has_key(21)) << kernel_.dump();
}

TEST_F(WireguardKeyTest, AStoreThatDoesNotAnswerLeavesTheFormerKey) {
  store_->hold_answers();
  rotate();
  EXPECT_TRUE(has_key(11)) << kernel_.dump();
  loop_.run_until_idle();
  loop_.advance(KeyRotation::kLongest);
  loop_.run_until_idle();
  EXPECT_NE(answered_.find("the former key stays in use"), std::string::npos) << answered_;
  EXPECT_TRUE(has_key(1)) << kernel_.dump();
  EXPECT_EQ(kept_key_, 1);
  EXPECT_TRUE(announces_key(11)) << "it took the write: " << record();
  store_->release_answers();
  loop_.run_until_idle();
  EXPECT_TRUE(announces_key(1)) << record();
}

TEST_F(WireguardKeyTest, AKeyThatTheKernelRefusesIsNotAnnounced) {
  kernel_.refuse("public-key " + key_of(11), {ErrorKind::system, "no"});
  const Revision before = store_->snapshot(kPrefix).revision;
  rotate();
  loop_.run_until_idle();
  EXPECT_NE(answered_.find("the former key stays in use"), std::string::npos) << answered_;
  EXPECT_TRUE(has_key(1)) << kernel_.dump();
  EXPECT_EQ(store_->snapshot(kPrefix).revision, before);
  EXPECT_EQ(kept_key_, 1);
}

TEST_F(WireguardKeyTest, HandshakesThatPeersLeftUnansweredAreRepeated) {
  put_peer();
  rotate();
  loop_.run_until_idle();
  kernel_.take_log();
  loop_.advance(KeyRotation::kUntilRepeat);
  loop_.run_until_idle();
  const std::string done = kernel_.take_log();
  const auto without = done.find("public-key " + key_of(0));
  ASSERT_NE(without, std::string::npos) << done;
  EXPECT_NE(done.find("public-key " + key_of(11), without), std::string::npos) << done;
  EXPECT_TRUE(has_key(11)) << kernel_.dump();
}

TEST_F(WireguardKeyTest, ARotationIsRefusedInWords) {
  key_stays_ = "the operator's file";
  rotate();
  EXPECT_EQ(answered_, key_stays_);
  EXPECT_TRUE(has_key(1)) << kernel_.dump();
  key_stays_.clear();
  configure(kVxlan);
  rotate();
  EXPECT_EQ(answered_, "the backend of this host is vxlan, which has no key");
}

// The file may have the other key although writing it has failed.
TEST_F(WireguardKeyTest, AFileThatCannotBeWrittenHasTheKeyInUseAsSoonAsItCan) {
  key_write_fails_ = "fsync: Input/output error";
  rotate();
  loop_.run_until_idle();
  EXPECT_EQ(answered_, key_write_fails_);
  EXPECT_TRUE(has_key(1)) << kernel_.dump();
  EXPECT_EQ(kept_key_, 11);
  EXPECT_NE(only_problem().find("another WireGuard key than " + key_of(1)), std::string::npos)
      << only_problem();
  key_write_fails_.clear();
  loop_.advance(seconds(1));
  loop_.run_until_idle();
  EXPECT_EQ(kept_key_, 1);
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

TEST_F(WireguardKeyTest, AFormerKeyThatCannotBeKeptIsAProblemUntilItIs) {
  store_->hold_answers();
  rotate();
  loop_.run_until_idle();
  key_write_fails_ = "no space";
  loop_.advance(KeyRotation::kLongest);
  store_->release_answers();
  loop_.run_until_idle();
  EXPECT_EQ(kept_key_, 11);
  EXPECT_NE(only_problem().find("no space"), std::string::npos) << only_problem();
  key_write_fails_.clear();
  loop_.advance(seconds(1));
  loop_.run_until_idle();
  EXPECT_EQ(kept_key_, 1);
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

// A change of the configuration may be in place just when the device is without its key.
TEST_F(WireguardKeyTest, NoKeyIsNeverAnnounced) {
  rotate();
  loop_.run_until_idle();
  kernel_.refuse(fmt::format("public-key {} listen-port 4500", key_of(11)),
                 {ErrorKind::system, "no"});
  configure(R"({"Network":"10.5.0.0/16","Backend":{"Type":"wireguard","ListenPort":4500}})");
  EXPECT_TRUE(announces("51820")) << record();
  loop_.advance(KeyRotation::kUntilRepeat);
  loop_.run_until_idle();
  EXPECT_TRUE(announces_key(11)) << record();
  kernel_.heal();
  loop_.advance(seconds(60));
  loop_.run_until_idle();
  EXPECT_TRUE(announces("4500")) << record();
  EXPECT_TRUE(announces_key(11)) << record();
}

class CopiedKeyTest : public WireguardKeyTest {
 protected:
  CopiedKeyTest() : WireguardKeyTest(false) {}
};

TEST_F(CopiedKeyTest, TheYoungerOfTwoHostsWithOneKeyTakesAnother) {
  put_peer(key_of(1));
  configure(kWireguard);
  EXPECT_TRUE(has_key(11)) << kernel_.dump();
  EXPECT_TRUE(announces_key(11)) << record();
  EXPECT_TRUE(has("wg peer " + key_of(1))) << kernel_.dump();
  loop_.advance(KeyRotation::kUntilRepeat);
  loop_.run_until_idle();
  EXPECT_EQ(problems(), std::vector<std::string>{});
}

// The operator's file is the operator's to change.
TEST_F(CopiedKeyTest, AGivenKeyIsLeftInPlaceWithOneLine) {
  std::vector<std::string> lines;
  log::capture([&lines](std::string_view line) {
    if (line.find("WireGuard key") != std::string_view::npos) lines.emplace_back(line);
  });
  key_stays_ = "write another key there";
  put_peer(key_of(1));
  configure(kWireguard);
  for (int minute = 0; minute < 3; ++minute) {
    loop_.advance(seconds(61));
    put("10.5.8.0-24", peer_value(fmt::format("192.0.2.{}", 20 + minute)));
  }
  log::capture({});
  EXPECT_EQ(lines.size(), 2U) << fmt::format("{}", fmt::join(lines, "\n"));
  EXPECT_NE(lines.back().find(key_stays_), std::string::npos) << lines.back();
  EXPECT_TRUE(has_key(1)) << kernel_.dump();
}

TEST_F(CopiedKeyTest, TheOlderOfTwoHostsWithOneKeyKeepsIt) {
  configure(kWireguard);
  put_peer(key_of(1));
  EXPECT_TRUE(has_key(1)) << kernel_.dump();
  EXPECT_TRUE(announces_key(1)) << record();
}

}  // namespace
}  // namespace flannel::agent_wireguard_key_test
