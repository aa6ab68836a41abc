// SPDX-License-Identifier: Apache-2.0
#include "daemon/wireguard_key_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "base/file.h"
#include "support/temporary_folder.h"

namespace flannel::wireguard_key_file_test {
namespace {

// RFC 7748, section 6.1: Alice's private and public key.
constexpr const char* kPrivate = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=";
constexpr const char* kPublic = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";

class WireguardKeyFileTest : public ::testing::Test {
 protected:
  WireguardKeyPlaces places() const {
    return {.given = "", .kept = path("state/wireguard-key"), .upstream = path("run/wgkey")};
  }
  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }
  static void write(const std::string& file, const std::string& text, mode_t mode = 0400) {
    ASSERT_TRUE(write_file_atomically(file, text, mode));
  }
  static mode_t mode_of(const std::string& file) {
    struct stat status {};
    EXPECT_EQ(::stat(file.c_str(), &status), 0) << file;
    return status.st_mode & 07777;
  }
  static std::string key_of(const Result<WireguardIdentity>& identity) {
    return identity ? to_string(identity->key) : "none: " + identity.error().text;
  }

  TemporaryFolder folder_;
};

TEST_F(WireguardKeyFileTest, IsMadeOnceForItsOwnerAlone) {
  const auto made = load_or_make_wireguard_key(places());
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_EQ(mode_of(places().kept), 0600U);
  EXPECT_EQ(read_file(places().kept).value(), text_for_file(made->secret));
  EXPECT_EQ(key_of(load_or_make_wireguard_key(places())), to_string(made->key));
  EXPECT_NE(key_of(load_or_make_wireguard_key({.kept = path("other")})), to_string(made->key));
}

TEST_F(WireguardKeyFileTest, ThePublicKeyIsThatOfTheStandard) {
  write(places().kept, kPrivate);
  EXPECT_EQ(key_of(load_or_make_wireguard_key(places())), kPublic);
  write(places().kept, std::string(kPrivate) + "\n");  // as an editor leaves it
  EXPECT_EQ(key_of(load_or_make_wireguard_key(places())), kPublic);
}

TEST_F(WireguardKeyFileTest, TheKeyOfUpstreamIsTakenOverAndOutlivesAReboot) {
  write(places().upstream, kPrivate);
  EXPECT_EQ(key_of(load_or_make_wireguard_key(places())), kPublic);
  WireguardKeyPlaces rebooted = places();
  rebooted.upstream = path("gone");
  EXPECT_EQ(key_of(load_or_make_wireguard_key(rebooted)), kPublic);
}

TEST_F(WireguardKeyFileTest, AFileThatIsGivenIsTheOnlyOne) {
  WireguardKeyPlaces given = places();
  write(given.upstream, kPrivate);
  given.given = path("given/key");
  const auto made = load_or_make_wireguard_key(given);
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_NE(to_string(made->key), kPublic);
  EXPECT_EQ(mode_of(given.given), 0600U);
  EXPECT_FALSE(read_file(given.kept));
  EXPECT_EQ(key_of(load_or_make_wireguard_key(given)), to_string(made->key));
}

TEST_F(WireguardKeyFileTest, WhatIsNoKeyIsLeftAndNotRepeated) {
  write(places().kept, "hunter2hunter2");
  const auto refused = load_or_make_wireguard_key(places());
  EXPECT_EQ(key_of(refused), "none: read the private WireGuard key from " + places().kept +
                                 " (delete the file for another key): must be the base64 text of "
                                 "32 bytes, as \"wg genkey\" writes");
  EXPECT_EQ(read_file(places().kept).value(), "hunter2hunter2");
}

TEST_F(WireguardKeyFileTest, AKeyThatOthersCanReadIsUsedAndWarnedOf) {
  write(places().kept, kPrivate, 0644);
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(key_of(load_or_make_wireguard_key(places())), kPublic);
  const std::string logged = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(logged.find("other users of this host can read the private WireGuard key"),
            std::string::npos)
      << logged;
  EXPECT_EQ(logged.find(kPrivate), std::string::npos);
}

TEST_F(WireguardKeyFileTest, AKeyThatCannotBeKeptIsUsedUntilTheEnd) {
  const auto made = load_or_make_wireguard_key({.kept = "/proc/nowhere/key"});
  EXPECT_TRUE(made) << made.error().text;
}

TEST_F(WireguardKeyFileTest, EachNetworkHasItsFile) {
  EXPECT_EQ(wireguard_key_places("/somewhere/key", "/state", "blue").given, "/somewhere/key");
  EXPECT_EQ(wireguard_key_places("", "/state", "blue").kept, "/state/wireguard-key-blue");
  EXPECT_EQ(wireguard_key_places("", "/state", "blue").upstream, "");
  EXPECT_EQ(wireguard_key_places("", "/state", "").kept, "/state/wireguard-key");
  EXPECT_EQ(wireguard_key_places("", "/state", "").upstream, "/run/flannel/wgkey");
}

TEST_F(WireguardKeyFileTest, AnotherKeyTakesThePlaceOfTheKeptOne) {
  const auto former = load_or_make_wireguard_key(places());
  const auto next = replace_wireguard_key(places());
  ASSERT_TRUE(next) << next.error().text;
  EXPECT_NE(key_of(next), key_of(former));
  EXPECT_EQ(key_of(load_or_make_wireguard_key(places())), key_of(next));
  EXPECT_EQ(mode_of(places().kept), 0600U);
  ASSERT_TRUE(keep_wireguard_key(places(), *former));
  EXPECT_EQ(key_of(load_or_make_wireguard_key(places())), key_of(former));
}

TEST_F(WireguardKeyFileTest, TheFileOfTheOperatorIsNotReplaced) {
  WireguardKeyPlaces given = places();
  given.given = path("given");
  write(given.given, kPrivate);
  EXPECT_NE(key_of(replace_wireguard_key(given)).find("which WIREGUARD_KEY_FILE names"),
            std::string::npos);
  EXPECT_EQ(read_file(given.given).value(), kPrivate);
}

}  // namespace
}  // namespace flannel::wireguard_key_file_test
