// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/problem.h"
#include "core/lease.h"
#include "net/address.h"

namespace flannel {

// A subnet of this host whose addresses a network of Docker's has got from flanneld.
struct PoolUse {
  std::string network;  // its name in flannel; empty: it has none
  IpPrefix subnet;
  IpAddress gateway;
  std::size_t containers = 0;
  std::uint64_t room = 0;  // how many containers it is for; 2^64-1: more than that

  bool operator==(const PoolUse&) const = default;
};

// Those of one network.
std::vector<PoolUse> pools_of(const std::vector<PoolUse>& pools, const std::string& network);

// What is wrong with the pools of the network whose subnets are these.
std::vector<Problem> pool_problems(const std::vector<PoolUse>& pools, const SubnetKey& subnets);

}  // namespace flannel
