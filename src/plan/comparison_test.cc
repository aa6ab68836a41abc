// SPDX-License-Identifier: Apache-2.0
// How the kernel differs from what is desired, as values and as the reconciler reports it.
#include "plan/comparison.h"

#include <gtest/gtest.h>

#include "support/reconciler_fixture.h"

namespace flannel::comparison_test {
namespace {

std::string text(const Comparison& comparison) {
  std::string lines;
  for (const Difference& one : comparison.differences) {
    lines += (one.missing ? "+ " : "- ") + to_string(one.object);
    lines += one.why.empty() ? "\n" : " (" + one.why + ")\n";
  }
  return lines;
}

TEST(ComparisonTest, WhatIsEqualIsNotNamedWhateverItsOrder) {
  const Comparison same =
      compare(together({peer(3), device(), peer(2)}), together({device(), peer(2), peer(3)}));
  EXPECT_EQ(text(same), "");
  EXPECT_EQ(same.desired, 8u);
}

TEST(ComparisonTest, AMissingObjectAndASurplusOneHaveTheirSigns) {
  EXPECT_EQ(text(compare(together({device(), peer(2)}), together({device(), peer(3)}))),
            "- neigh 10.5.2.0 dev flannel.1 lladdr 02:00:00:00:00:02 nud permanent\n"
            "+ neigh 10.5.3.0 dev flannel.1 lladdr 02:00:00:00:00:03 nud permanent\n"
            "- fdb 02:00:00:00:00:02 dev flannel.1 dst 192.0.2.2 self permanent\n"
            "+ fdb 02:00:00:00:00:03 dev flannel.1 dst 192.0.2.3 self permanent\n"
            "- route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink\n"
            "+ route 10.5.3.0/24 via 10.5.3.0 dev flannel.1 onlink\n");
}

TEST(ComparisonTest, AnObjectWithAWrongValueIsNamedWithBothValues) {
  NetState wrong = direct_route(2, host_ip(2));
  NetState doubled = wrong;
  doubled.routes.push_back(peer(2).routes[0]);
  NetState right;
  right.routes = peer(2).routes;
  EXPECT_EQ(text(compare(wrong, right)),
            "- route 10.5.2.0/24 via 192.0.2.2 dev eth0\n"
            "+ route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink\n");
  EXPECT_EQ(text(compare(doubled, right)), "- route 10.5.2.0/24 via 192.0.2.2 dev eth0\n");
  EXPECT_EQ(text(compare(device(1400), device(1450))),
            "- " + to_string(KernelObject(device(1400).links[0])) + "\n+ " +
                to_string(KernelObject(device(1450).links[0])) + "\n");
}

TEST_F(ReconcilerTest, TheComparisonReadsTheKernelAndChangesNothing) {
  start({2, 3});
  EXPECT_EQ(text(reconciler.compare().value()), "");
  kernel.erase("route 10.5.2.0");
  kernel.meddle(Route{.to = subnet(9), .via = subnet(9).base, .link = "flannel.1"});
  EXPECT_EQ(text(reconciler.compare().value()),
            "+ route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink\n"
            "- route 10.5.9.0/24 via 10.5.9.0 dev flannel.1\n");
  EXPECT_EQ(kernel.take_log(), "");
  reconciler.suspect(now);
  pass(seconds(1));
  EXPECT_EQ(text(reconciler.compare().value()), "") << "the repair is the reconciler's as before";
}

TEST_F(ReconcilerTest, TheComparisonSaysWhatTheKernelRefused) {
  start({2});
  kernel.refuse("route 10.5.3.0", kRefused);
  set_peer(subnet(3), peer(3));
  EXPECT_EQ(text(reconciler.compare().value()),
            "+ route 10.5.3.0/24 via 10.5.3.0 dev flannel.1 onlink (Operation not permitted)\n");
}

TEST_F(ReconcilerTest, RoutesOfAnotherDaemonAreNoDifference) {
  start({2});
  kernel.meddle(
      Route{.to = IpPrefix::parse("10.9.2.0/24").value(), .via = host_ip(2), .link = "eth0"});
  EXPECT_EQ(text(reconciler.compare().value()), "");
}

}  // namespace
}  // namespace flannel::comparison_test
