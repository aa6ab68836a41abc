// SPDX-License-Identifier: Apache-2.0
#include "ctl/anonymous.h"

#include <gtest/gtest.h>

namespace flannel::anonymous_test {
namespace {

std::string of(std::string_view text) {
  return Anonymous({IpPrefix::parse("10.5.0.0/16").value()}).text(text);
}

TEST(AnonymousTest, EqualAddressesStayEqualAndANetworkStaysTogether) {
  EXPECT_EQ(of("192.0.2.1 192.0.2.9/24 203.0.113.9 192.0.2.1"),
            "198.18.1.1 198.18.1.9/24 198.18.2.9 198.18.1.1");
  EXPECT_EQ(of("fd00:1:2:3::5 fd00:1:2:3::/64 fd00:9::5, fd00:1:2:3::5"),
            "2001:db8:0:1::1 2001:db8:0:1::/64 2001:db8:0:2::2, 2001:db8:0:1::1");
  EXPECT_EQ(of("lladdr 5e:11:22:33:44:55, fe80::5e11:22ff:fe33:4455"),
            "lladdr 02:00:00:00:00:01, fe80::1");
}

TEST(AnonymousTest, AnAddressIsFoundInEveryWriting) {
  EXPECT_EQ(of("at 192.0.2.1. Then http://192.0.2.1:2379/ and \"192.0.2.1\",x=192.0.2.1"),
            "at 198.18.1.1. Then http://198.18.1.1:2379/ and \"198.18.1.1\",x=198.18.1.1");
  EXPECT_EQ(of("[fd00:1::5]:2379 via:192.0.2.1: gone 192.0.2.0-24 peer:192.0.2.1:eth0"),
            "[2001:db8:0:1::1]:2379 via:198.18.2.1: gone 198.18.2.0-24 peer:198.18.2.1:eth0");
}

TEST(AnonymousTest, WhatIsNoAddressOfTheHostsStays) {
  for (const char* text :
       {"10.5.2.0/24 via 10.5.2.0", "127.0.0.1:8500 ::1 0.0.0.0/0 ::/0", "224.0.0.1 ff02::1",
        "2026-11-30T07:29:11.000042Z", "release 6.1.0-13", "std::string", "dead beef", "...", ""})
    EXPECT_EQ(of(text), text);
}

}  // namespace
}  // namespace flannel::anonymous_test
