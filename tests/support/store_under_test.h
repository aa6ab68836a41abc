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
  // Values may be any bytes; if not, any text.
  virtual bool keeps_bytes() const { return true; }
};

std::unique_ptr<StoreUnderTest> memory_store_under_test();
std::unique_ptr<StoreUnderTest> etcd_store_under_test();
// The v2 API of the etcd that is installed, or of the one at `old_etcd`, of version 3.3.
std::unique_ptr<StoreUnderTest> etcd2_store_under_test(const std::string& old_etcd = {});

}  // namespace flannel
