// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/kernel_test.h"

namespace flannel::missing_kind_test {
namespace {

class MissingKindTest : public LinuxKernelTest {
 protected:
  void check(const Link& link, const std::string& kind) {
    const auto results = apply(Op::put, {link});
    if (results.at(0)) GTEST_SKIP() << "this kernel has " << kind << " devices";
    const Error& error = results.at(0).error();
    EXPECT_EQ(error.kind, ErrorKind::unsupported);
    EXPECT_NE(error.text.find("create " + link.name + ": "), std::string::npos) << error.text;
    const std::string words = "this kernel has no " + kind +
                              " devices: their module may be missing (modprobe " + kind + ")";
    EXPECT_NE(error.text.find(words), std::string::npos) << error.text;
  }
};

TEST_F(MissingKindTest, AKernelWithoutIpipIsNamedWithItsModule) {
  check({.name = "flannel.ipip",
         .kind = IpipSettings{.local = IpAddress::v4(192, 0, 2, 1)},
         .mtu = 1480},
        "ipip");
}

TEST_F(MissingKindTest, AKernelWithoutWireguardIsNamedWithItsModule) {
  check({.name = "flannel-wg", .kind = WireguardSettings{.port = 51820}, .mtu = 1420}, "wireguard");
}

}  // namespace
}  // namespace flannel::missing_kind_test
