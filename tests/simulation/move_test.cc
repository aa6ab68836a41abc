// SPDX-License-Identifier: Apache-2.0
// Clusters that move to another store, each from one seed: MOVE_SEEDS=N runs seeds 1 to N,
// MOVE_SEED=K that one, with its log.
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/log.h"
#include "simulation/moving_cluster.h"

namespace flannel::simulation::move_test {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(MovingClusters, HaveOneOwnerForEachSubnetAndLoseNoPeer) {
  const std::uint64_t one = number_from("MOVE_SEED", 0);
  const std::uint64_t last = one != 0 ? one : number_from("MOVE_SEEDS", 100);
  if (one == 0) log::set_least_level(log::Level::nothing);
  for (std::uint64_t seed = one != 0 ? one : 1; seed <= last; ++seed) {
    MovingCluster cluster(seed);
    const auto& wrong = cluster.run();
    EXPECT_TRUE(wrong.empty()) << "seed " << seed << ": " << wrong.front();
    if (HasFailure()) break;
  }
  log::set_least_level(log::Level::info);
}

}  // namespace
}  // namespace flannel::simulation::move_test
