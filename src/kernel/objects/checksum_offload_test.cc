// SPDX-License-Identifier: Apache-2.0
// Who fills in the checksums of packets by a vxlan device, as `ethtool -k` shows it.
#include <gtest/gtest.h>

#include "support/kernel_test.h"

namespace flannel::checksum_offload_test {
namespace {

class ChecksumOffloadTest : public LinuxKernelTest {
 protected:
  Link wanted(bool software) const {
    Link link = device(vxlan());
    link.software_checksums = software;
    return link;
  }
  std::string tx() const {
    return shell("ethtool -k " + link_ + " | sed -n 's/^tx-checksumming: //p' | tr -d '\\n'");
  }
  Link read_link(bool software) {
    Scope all = scope({link_});
    all.software_checksums = software;
    return kernel_->read(all).value().links.at(0);
  }
};

TEST_F(ChecksumOffloadTest, ADeviceLeavesThemToOthersUnlessWeWantItNot) {
  put({wanted(false)});
  EXPECT_EQ(tx(), "on");
  EXPECT_EQ(read_link(true), wanted(false));
  put({wanted(true)});
  EXPECT_EQ(tx(), "off");
  EXPECT_EQ(read_link(true), wanted(true));
}

TEST_F(ChecksumOffloadTest, ADeviceThatIsMadeHasItAtOnce) {
  put({wanted(true)});
  EXPECT_EQ(tx(), "off");
  Link other = wanted(true);
  std::get<VxlanSettings>(other.kind).port = 4789;
  recreate(other);
  EXPECT_EQ(tx(), "off");
}

TEST_F(ChecksumOffloadTest, ItIsTakenBackAlsoByALaterProcess) {
  put({wanted(true)});
  open({});
  EXPECT_TRUE(read_link(true).software_checksums);
  EXPECT_TRUE(read_link(false).software_checksums) << "this differs from what is wanted";
  put({wanted(false)});
  EXPECT_EQ(tx(), "on");
  EXPECT_FALSE(read_link(false).software_checksums);
}

TEST_F(ChecksumOffloadTest, WhatAnOperatorHasSetIsLeftAlone) {
  put({wanted(false)});
  shell("ethtool -K " + link_ + " tx off");
  EXPECT_EQ(read_link(false), wanted(false));
  put({wanted(false)});
  EXPECT_EQ(tx(), "off");
}

}  // namespace
}  // namespace flannel::checksum_offload_test
