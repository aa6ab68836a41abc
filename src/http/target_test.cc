// SPDX-License-Identifier: Apache-2.0
#include "http/target.h"

#include <gtest/gtest.h>

namespace flannel::target_test {
namespace {

TEST(HttpTargetTest, TheSchemeDecidesAboutTls) {
  EXPECT_EQ(parse_http_target("http://etcd1:2379", true).value(),
            (HttpTarget{"http://etcd1:2379", false, "etcd1", 2379}));
  EXPECT_EQ(parse_http_target("HTTPS://192.0.2.1:4001/", false).value(),
            (HttpTarget{"HTTPS://192.0.2.1:4001/", true, "192.0.2.1", 4001}));
  EXPECT_EQ(parse_http_target("[fd00::1]:2379", true).value(),
            (HttpTarget{"[fd00::1]:2379", true, "fd00::1", 2379}));
}

TEST(HttpTargetTest, WhatIsNoEndpointIsNamedWithTheReason) {
  const std::pair<const char*, const char*> cases[] = {
      {"ftp://h:1", "neither http:// nor https://"},
      {"http://h", "the port is missing"},
      {"http://[fd00::1]", "the port is missing"},
      {"http://:1", "the host is missing"},
      {"http://h:0", "the port is no number"},
      {"http://h:65536", "the port is no number"},
      {"http://h:1/v2", "something follows"},
      {"http://h:1\r\nX: y", "there is a blank in it"},
      {"http://h:1;http://i:1", "not by \";\""},
      {"http://fd00::1:2379", "put the IPv6 address in brackets"},
      {"http://[fd00:1]:2379", "no IPv6 address between the brackets"},
      {"http://[fd00::1:2379", "no IPv6 address between the brackets"},
      {"http://[:1", "no IPv6 address between the brackets"},
      {"", "the port is missing"},
  };
  for (const auto& [url, why] : cases) {
    const auto target = parse_http_target(url, false);
    ASSERT_FALSE(target) << url;
    EXPECT_NE(target.error().text.find(why), std::string::npos) << target.error().text;
  }
}

TEST(HttpTargetTest, APasswordInAUrlIsNotRepeated) {
  const std::string text = parse_http_target("http://root:secret@h:1", false).error().text;
  EXPECT_NE(text.find("--etcd-username"), std::string::npos) << text;
  EXPECT_EQ(text.find("secret"), std::string::npos) << text;
}

TEST(PercentEncodeTest, KeysAndValuesPassAsTheyAre) {
  EXPECT_EQ(percent_encode("10.5.1.0-24&fd00::-56"), "10.5.1.0-24%26fd00%3A%3A-56");
  EXPECT_EQ(percent_encode("{\"a\": \xff\n}"), "%7B%22a%22%3A%20%FF%0A%7D");
}

}  // namespace
}  // namespace flannel::target_test
