// SPDX-License-Identifier: Apache-2.0
// The kinds of store, each as the conformance tests need it.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "core/registry.h"
#include "loop/loop.h"

namespace flannel {

class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual std::unique_ptr<Registry> open(const std::string& prefix, Loop& loop) = 0;
  // Makes the store forget how it came to be what it is now.
  virtual void compact() = 0;
  // What the store grants when asked for so little.
  virtual std::chrono::seconds shortest_ttl() const { return std::chrono::seconds(1); }
};

std::unique_ptr<StoreUnderTest> memory_store_under_test();
std::unique_ptr<StoreUnderTest> etcd_store_under_test();

}  // namespace flannel
