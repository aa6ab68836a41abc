// SPDX-License-Identifier: Apache-2.0
#include "registry/options_at.h"

#include <gtest/gtest.h>

namespace flannel::options_at_test {
namespace {

StoreAddress address(const char* text) {
  return StoreAddress::parse(text).value();
}

TEST(OptionsAtTest, TheAddressIsThatOfTheNoteAndTheCredentialsAreOurs) {
  StoreOptions own;
  own.endpoints = {"https://old:2379"};
  own.ca_file = "ca.pem";
  own.username = "host";
  own.prefix = "/old";
  const auto options = options_at(address("etcd2:https://new:2379#/new"), own);
  ASSERT_TRUE(options) << options.error().text;
  EXPECT_EQ(options->kind, StoreKind::etcd);
  EXPECT_EQ(options->etcd_api, EtcdApi::v2);
  EXPECT_EQ(options->endpoints, std::vector<std::string>{"https://new:2379"});
  EXPECT_EQ(options->prefix, "/new");
  EXPECT_EQ(options->ca_file, "ca.pem");
  EXPECT_EQ(options->username, "host");
  EXPECT_EQ(options_at(address("sqlite:/var/x.db"), own)->sqlite_path, "/var/x.db");
}

TEST(OptionsAtTest, ThePasswordIsSentToNoHostThatWeDoNotKnow) {
  StoreOptions own;
  own.endpoints = {"http://old:2379"};
  own.username = "host";
  own.password.text = "secret";
  EXPECT_TRUE(options_at(address("etcd3:http://old:4001"), own)) << "it gets it already";
  const auto refused = options_at(address("etcd3:http://old:2379,http://new:2379"), own);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::denied);
  EXPECT_TRUE(refused.error().text.starts_with(
      "\"http://new:2379\" would get the secret of --etcd-username: "));
  EXPECT_FALSE(options_at(address("etcd3:https://new:2379"), own)) << "any authority would do";
  own.ca_file = "ca.pem";
  EXPECT_TRUE(options_at(address("etcd3:https://new:2379"), own));
  EXPECT_FALSE(options_at(address("etcd3:http://new:2379"), own));
}

TEST(OptionsAtTest, NorIsTheTokenOfConsul) {
  StoreOptions own;
  own.consul.token.text = "secret";
  own.consul.endpoints = {"http://127.0.0.1:8500"};
  EXPECT_FALSE(options_at(address("consul:http://new:8500"), own));
  const auto known = options_at(address("consul:http://127.0.0.1:8500"), own);
  ASSERT_TRUE(known) << known.error().text;
  EXPECT_EQ(known->kind, StoreKind::consul);
  EXPECT_EQ(known->consul.token.text, "secret");
  EXPECT_TRUE(options_at(address("etcd3:http://new:2379"), own)) << "another secret";
  EXPECT_FALSE(options_at(address("consul:unix:///tmp/anybody"), own));
  own.consul.ca_file = "ca.pem";
  EXPECT_FALSE(options_at(address("consul:unix:///tmp/anybody"), own)) << "it has no certificate";
  own.consul.endpoints = {"unix:///run/consul"};
  EXPECT_TRUE(options_at(address("consul:unix:///run/consul"), own));
}

}  // namespace
}  // namespace flannel::options_at_test
