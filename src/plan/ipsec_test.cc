// SPDX-License-Identifier: Apache-2.0
// Policies of IPsec under the reconciler.
#include "plan/ipsec.h"

#include <gtest/gtest.h>

#include "plan/reconciler.h"
#include "support/fake_kernel.h"

namespace flannel::ipsec_test {
namespace {

using Direction = IpsecPolicy::Direction;

IpPrefix prefix(std::string_view text) {
  return IpPrefix::parse(text).value();
}

Shared<IpsecPolicy> tunnel(Direction direction, std::string_view outer = "192.0.2.2") {
  return IpsecPolicy{.direction = direction,
                     .from = prefix("10.5.1.0/24"),
                     .to = prefix("10.5.2.0/24"),
                     .action = IpsecPolicy::Action::tunnel,
                     .outer_from = IpAddress::parse("192.0.2.1").value(),
                     .outer_to = IpAddress::parse(outer).value()};
}

NetState peer() {
  NetState state;
  state.policies = {tunnel(Direction::out), tunnel(Direction::forward)};
  state.routes.push_back({.to = prefix("10.5.2.0/24"), .link = "eth0"});
  return state;
}

class IpsecReconcileTest : public testing::Test {
 protected:
  IpsecReconcileTest() {
    kernel_.add_foreign_device("eth0", "192.0.2.1/24");
    reconciler_.set_host({.link_names = {}, .networks = {prefix("10.5.0.0/16")}}, {});
    reconciler_.set_peers({{prefix("10.5.2.0/24"), peer()}}, now_);
    EXPECT_TRUE(reconciler_.sync(now_));
  }
  void sync() {
    now_ += std::chrono::minutes(2);
    EXPECT_TRUE(reconciler_.sync(now_));
  }

  FakeKernel kernel_;
  Reconciler reconciler_{kernel_};
  TimePoint now_{std::chrono::hours(1)};
};

TEST_F(IpsecReconcileTest, APolicyIsPutBeforeTheRouteAndRemovedAfterIt) {
  EXPECT_EQ(kernel_.take_log(),
            "put xfrm policy src 10.5.1.0/24 dst 10.5.2.0/24 dir out tmpl src 192.0.2.1 dst "
            "192.0.2.2 esp\n"
            "put xfrm policy src 10.5.1.0/24 dst 10.5.2.0/24 dir fwd tmpl src 192.0.2.1 dst "
            "192.0.2.2 esp\n"
            "put route 10.5.2.0/24 dev eth0\n");
  reconciler_.set_peers({{prefix("10.5.2.0/24"), {}}}, now_);
  EXPECT_TRUE(kernel_.take_log().starts_with("remove route 10.5.2.0/24 dev eth0\nremove xfrm"));
  EXPECT_EQ(kernel_.dump(), "");
}

TEST_F(IpsecReconcileTest, DeletedOnesComeBackChangedOnesAreReplacedAndStaleOnesGo) {
  const std::string all = kernel_.dump();
  kernel_.erase("xfrm policy src 10.5.1.0/24 dst 10.5.2.0/24 dir out");
  sync();
  EXPECT_EQ(kernel_.dump(), all);
  kernel_.erase("xfrm policy src 10.5.1.0/24 dst 10.5.2.0/24 dir out");
  kernel_.meddle(tunnel(Direction::out, "192.0.2.9"));
  kernel_.meddle(Shared(IpsecPolicy{.from = prefix("10.5.1.0/24"), .to = prefix("10.5.9.0/24")}));
  sync();
  EXPECT_EQ(kernel_.dump(), all);
}

TEST_F(IpsecReconcileTest, OneThatIsInPlaceIsNotWritten) {
  kernel_.take_log();
  sync();
  EXPECT_EQ(kernel_.take_log(), "");
}

}  // namespace
}  // namespace flannel::ipsec_test
