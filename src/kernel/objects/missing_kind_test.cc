// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/kernel_test.h"

namespace flannel::missing_kind_test {
namespace {

class MissingKindTest : public LinuxKernelTest {};

TEST_F(MissingKindTest, AKindThatTheKernelLacksIsNamedWithItsModule) {
  const Link link{.name = "flannel.ipip",
                  .kind = IpipSettings{.local = IpAddress::v4(192, 0, 2, 1)},
                  .mtu = 1480};
  const auto results = apply(Op::put, {link});
  if (results.at(0)) GTEST_SKIP() << "this kernel has ipip devices";
  const Error& error = results.at(0).error();
  EXPECT_EQ(error.kind, ErrorKind::unsupported);
  EXPECT_NE(error.text.find("create flannel.ipip: "), std::string::npos) << error.text;
  EXPECT_NE(error.text.find("this kernel has no ipip devices: their module may be missing "
                            "(modprobe ipip)"),
            std::string::npos)
      << error.text;
}

}  // namespace
}  // namespace flannel::missing_kind_test
