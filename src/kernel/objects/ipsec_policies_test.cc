// SPDX-License-Identifier: Apache-2.0
// Policies of IPsec in the real kernel, by LinuxKernel, Monitor and cleanup.
#include "kernel/objects/ipsec_policies.h"

#include <gtest/gtest.h>

#include "kernel/monitor/monitor.h"
#include "kernel/objects/leftovers.h"
#include "support/hand_loop.h"
#include "support/kernel_test.h"

namespace flannel::ipsec_policies_test {
namespace {

class IpsecPoliciesTest : public LinuxKernelTest {
 protected:
  void SetUp() override {
    LinuxKernelTest::SetUp();
    if (!IsSkipped() && !NetlinkSocket::open({.protocol = NETLINK_XFRM})) {
      GTEST_SKIP() << "this kernel has no IPsec";
    }
  }

  static IpPrefix prefix(std::string_view text) { return IpPrefix::parse(text).value(); }
  static Shared<IpsecPolicy> tunnel(std::string_view to, std::string_view outer = "192.0.2.2") {
    return IpsecPolicy{.direction = IpsecPolicy::Direction::out,
                       .from = prefix("10.5.1.0/24"),
                       .to = prefix(to),
                       .action = IpsecPolicy::Action::tunnel,
                       .outer_from = IpAddress::parse("192.0.2.1").value(),
                       .outer_to = IpAddress::parse(outer).value()};
  }
  static Shared<IpsecPolicy> guard(std::string_view to, IpsecPolicy::Action action) {
    return IpsecPolicy{.direction = IpsecPolicy::Direction::out,
                       .from = prefix("0.0.0.0/0"),
                       .to = prefix(to),
                       .action = action};
  }
  // The policies that are ours, as text.
  std::string ours() { return dump(read({})); }
  // All policies that the kernel has, as `ip` says.
  static std::string all() { return shell("ip xfrm policy | grep '^src' | sed 's/ *$//'"); }
};

constexpr const char* kForeign =
    "ip xfrm policy add src 10.5.1.0/24 dst 10.5.2.0/24 dir out priority 7 "
    "tmpl src 192.0.2.1 dst 192.0.2.9 proto esp reqid 3 mode tunnel";

TEST_F(IpsecPoliciesTest, WhatWasPutIsReadAndIsAsIpShowsIt) {
  put({tunnel("10.5.2.0/24"), guard("10.5.0.0/16", IpsecPolicy::Action::block),
       guard("10.5.1.0/24", IpsecPolicy::Action::pass)});
  EXPECT_EQ(ours(),
            "xfrm policy src 0.0.0.0/0 dst 10.5.0.0/16 dir out action block\n"
            "xfrm policy src 0.0.0.0/0 dst 10.5.1.0/24 dir out action allow\n"
            "xfrm policy src 10.5.1.0/24 dst 10.5.2.0/24 dir out tmpl src 192.0.2.1 dst 192.0.2.2 "
            "esp\n");
  EXPECT_EQ(
      shell("ip xfrm policy get src 10.5.1.0/24 dst 10.5.2.0/24 dir out | tr -s ' \\t\\n' ' '"),
      "src 10.5.1.0/24 dst 10.5.2.0/24 dir out priority 0 ptype main "
      "tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 11 mode tunnel ");
  EXPECT_EQ(shell("ip xfrm policy get src 0.0.0.0/0 dst 10.5.0.0/16 dir out | tr -s ' \\t\\n' ' '"),
            "src 0.0.0.0/0 dst 10.5.0.0/16 dir out action block priority 4194304001 ptype main ");
}

TEST_F(IpsecPoliciesTest, APutReplacesOursAndARemovalIsRepeatable) {
  put({tunnel("10.5.2.0/24", "192.0.2.9")});
  put({tunnel("10.5.2.0/24")});
  EXPECT_EQ(ours(),
            "xfrm policy src 10.5.1.0/24 dst 10.5.2.0/24 dir out tmpl src 192.0.2.1 dst 192.0.2.2 "
            "esp\n");
  remove({tunnel("10.5.2.0/24")});
  remove({tunnel("10.5.2.0/24")});
  EXPECT_EQ(all(), "");
}

TEST_F(IpsecPoliciesTest, WhatUpstreamLeftIsOurs) {
  shell(
      "ip xfrm policy add src 10.5.1.0/24 dst 10.5.2.0/24 dir out "
      "tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 11 mode tunnel");
  EXPECT_EQ(read({}).policies, std::vector{tunnel("10.5.2.0/24")});
}

TEST_F(IpsecPoliciesTest, AnotherProgramsPolicyIsNeitherReadNorReplacedNorRemoved) {
  shell(kForeign);
  EXPECT_EQ(ours(), "");
  EXPECT_NE(outcome(Op::put, tunnel("10.5.2.0/24")).find("another program has a policy"),
            std::string::npos);
  remove({tunnel("10.5.2.0/24")});
  EXPECT_NE(all(), "");
}

TEST_F(IpsecPoliciesTest, APolicyOfAnotherNetworkIsNotRead) {
  put({tunnel("10.77.2.0/24")});
  EXPECT_EQ(ours(), "");
}

TEST_F(IpsecPoliciesTest, ForeignChangesAreReportedAndOursAreNot) {
  HandLoop loop;
  std::string events;
  auto monitor =
      Monitor::open(loop, *kernel_,
                    {.on_foreign_change = [&](const auto& what) { events += what + "\n"; },
                     .on_lost = [&] { events += "lost\n"; },
                     .on_underlay_change = [] {}});
  ASSERT_TRUE(monitor) << monitor.error().text;
  Scope watched = scope({});
  watched.has_policies = true;
  ASSERT_TRUE((*monitor)->watch(watched, {"eth0"}));
  put({tunnel("10.5.2.0/24"), guard("10.5.0.0/16", IpsecPolicy::Action::block)});
  remove({guard("10.5.0.0/16", IpsecPolicy::Action::block)});
  loop.turn();
  EXPECT_EQ(events, "");
  shell("ip xfrm policy delete src 10.5.1.0/24 dst 10.5.2.0/24 dir out");
  shell("ip xfrm policy add src 10.9.1.0/24 dst 10.9.2.0/24 dir out");
  loop.turn();
  EXPECT_EQ(std::exchange(events, {}), "IPsec policy from 10.5.1.0/24 to 10.5.2.0/24 deleted\n");
  shell("ip xfrm policy flush");
  loop.turn();
  EXPECT_EQ(events, "IPsec policies deleted\n");
}

TEST_F(IpsecPoliciesTest, CleanupRemovesThoseOfAllNetworksAndNoOther) {
  put({tunnel("10.5.3.0/24"), tunnel("10.77.2.0/24"),
       guard("10.5.0.0/16", IpsecPolicy::Action::block)});
  shell(kForeign);
  auto socket = NetlinkSocket::open();
  ASSERT_TRUE(socket);
  const auto found = find_leftovers(*socket);
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_EQ(found->size(), 3U);
  for (const Leftover& one : *found)
    EXPECT_EQ(one.backend, "ipsec");
  all_well(remove_leftovers(*socket, *found));
  EXPECT_EQ(all(), "src 10.5.1.0/24 dst 10.5.2.0/24\n");
}

}  // namespace
}  // namespace flannel::ipsec_policies_test
