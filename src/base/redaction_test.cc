// SPDX-License-Identifier: Apache-2.0
#include "base/redaction.h"

#include <gtest/gtest.h>

#include <vector>

namespace flannel::redaction_test {
namespace {

TEST(RedactionTest, ANameSaysWhetherItsValueIsASecret) {
  for (const char* name : {"--etcd-password", "FLANNELD_ETCD_PASSWORD", "CONSUL_HTTP_TOKEN", "PSK",
                           "CONSUL_HTTP_AUTH", "PrivateKey", "private_key", "client-secret"})
    EXPECT_TRUE(names_secret(name)) << name;
  for (const char* name : {"--etcd-password-file", "--consul-token-file", "--etcd-keyfile", "key",
                           "PublicKey", "VtepMAC", "--etcd-username"})
    EXPECT_FALSE(names_secret(name)) << name;
}

TEST(RedactionTest, TheUserOfAUrlIsHiddenAndTheHostStays) {
  EXPECT_EQ(without_secrets("https://u:p@ss@etcd.example:2379/v3, http://192.0.2.1:2379 a@b"),
            "https://(hidden)@etcd.example:2379/v3, http://192.0.2.1:2379 a@b");
}

TEST(RedactionTest, ABlockOfPemIsHiddenInEveryWriting) {
  EXPECT_EQ(without_secrets("a\n-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\nb"),
            "a\n(hidden)\nb");
  EXPECT_EQ(without_secrets(R"j({"x":"-----BEGIN KEY-----\nMIIB\n-----END KEY-----\n"})j"),
            R"j({"x":"(hidden)\n"})j");
  EXPECT_EQ(without_secrets("-----BEGIN KEY-----\nMIIB cut off"), "(hidden)");
}

TEST(RedactionTest, AValueAfterASecretNameIsHidden) {
  EXPECT_EQ(without_secrets("given=\"--etcd-password=hunter2 --iface=eth0\""),
            "given=\"--etcd-password=(hidden) --iface=eth0\"");
  EXPECT_EQ(without_secrets(R"j({"PSK": "a\"b", "Port": 1, "token":12, "Password":[""]})j"),
            R"j({"PSK": "(hidden)", "Port": 1, "token":12, "Password":[""]})j")
      << "it stays JSON";
  EXPECT_EQ(without_secrets("the password = 'x y' of the token"),
            "the password = '(hidden)' of the token");
  EXPECT_EQ(without_secrets("password:"), "password:");
  EXPECT_EQ(without_secrets("--etcd-password-file=/etc/p"), "--etcd-password-file=/etc/p");
}

TEST(RedactionTest, AKnownSecretIsHiddenWhereverItStands) {
  const std::vector<std::string> secrets = {"hunter2", "abc", ""};
  EXPECT_EQ(without_secrets("xhunter2hunter2 abc", secrets), "x(hidden)(hidden) abc")
      << "three bytes are too common a text";
}

}  // namespace
}  // namespace flannel::redaction_test
