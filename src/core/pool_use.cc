// SPDX-License-Identifier: Apache-2.0
#include "core/pool_use.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/problem_kinds.h"

namespace flannel {

std::vector<PoolUse> pools_of(const std::vector<PoolUse>& pools, const std::string& network) {
  std::vector<PoolUse> own;
  std::ranges::copy_if(pools, std::back_inserter(own),
                       [&](const PoolUse& pool) { return pool.network == network; });
  return own;
}

std::vector<Problem> pool_problems(const std::vector<PoolUse>& pools, const SubnetKey& subnets) {
  std::vector<Problem> problems;
  for (const PoolUse& pool : pools) {
    const auto& own = subnets.at(pool.subnet.family());
    if (own == pool.subnet) continue;
    problems.push_back(make_problem(
        kDockerPoolDiffers, to_string(pool.subnet),
        fmt::format("a network of Docker's has {}, which was the subnet of this host, for {} "
                    "containers; it is {} now, so other hosts do not reach them",
                    to_string(pool.subnet), pool.containers, own ? to_string(*own) : "none")));
  }
  return problems;
}

}  // namespace flannel
