// SPDX-License-Identifier: Apache-2.0
#include "core/store_address.h"

#include <gtest/gtest.h>

namespace flannel::store_address_test {
namespace {

std::string mistake(const std::string& text) {
  const auto address = StoreAddress::parse(text);
  return address ? "no mistake" : address.error().text;
}

TEST(StoreAddressTest, TheTextOfAnAddressIsReadAgain) {
  for (const char* text :
       {"etcd3:http://192.0.2.7:2379", "etcd2:http://a:4001,http://b:4001#/other/prefix",
        "consul:https://c:8501#flannel", "sqlite:/var/lib/flannel/leases.db", "memory:#/net",
        "sqlite:/odd#name.db#/coreos.com/network", "etcd3:unix:/run/etcd"}) {
    const auto address = StoreAddress::parse(text);
    ASSERT_TRUE(address) << address.error().text;
    EXPECT_EQ(to_string(*address), text);
    EXPECT_EQ(StoreAddress::parse(to_string(*address)), *address);
  }
}

TEST(StoreAddressTest, TheUsualPrefixIsLeftOut) {
  const auto address = StoreAddress::parse("etcd3:http://a:2379#/coreos.com/network");
  ASSERT_TRUE(address);
  EXPECT_EQ(address->prefix, "/coreos.com/network");
  EXPECT_EQ(to_string(*address), "etcd3:http://a:2379");
}

TEST(StoreAddressTest, MistakesAreNamed) {
  const std::string form =
      R"( is not like etcd3:http://HOST:2379, etcd2:…, consul:… or sqlite:/PATH)";
  EXPECT_EQ(mistake(""), R"("":)" + form);
  EXPECT_EQ(mistake("etcd3"), R"("etcd3":)" + form);
  EXPECT_EQ(mistake("etcd:http://a:1"), R"("etcd:http://a:1":)" + form);
  EXPECT_EQ(mistake("etcd3:http://a:1,"), R"("etcd3:http://a:1,": an endpoint is empty)");
  EXPECT_EQ(mistake("etcd3:http://a:1#"), R"("etcd3:http://a:1#": the prefix after # is empty)");
  EXPECT_EQ(mistake("sqlite:leases.db"), R"("sqlite:leases.db": the path must begin with /)");
  EXPECT_EQ(mistake("memory:x"), R"("memory:x": memory has no endpoints)");
  EXPECT_EQ(mistake("etcd3:http://a b:1"),
            R"("etcd3:http://a b:1": contains a blank or a control character)");
  EXPECT_TRUE(mistake("etcd3:" + std::string(3000, 'a')).ends_with(": is longer than 2048 bytes"));
}

TEST(StoreAddressTest, NoSecretIsAccepted) {
  EXPECT_NE(mistake("etcd3:http://root:secret@a:2379").find("must not contain a user name"),
            std::string::npos);
}

TEST(StoreAddressTest, TheNumberOfEndpointsIsBounded) {
  std::string many = "etcd3:http://a:1";
  for (int i = 0; i < 32; ++i)
    many += ",http://a:1";
  EXPECT_NE(mistake(many).find("has more than 32 endpoints"), std::string::npos);
}

}  // namespace
}  // namespace flannel::store_address_test
