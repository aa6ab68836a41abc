// SPDX-License-Identifier: Apache-2.0
// The kinds of store for the conformance tests.
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
  // Makes the store discard its history.
  virtual void compact() = 0;
  // Returns the TTL that the store grants for such a short one.
  virtual std::chrono::seconds shortest_ttl() const { return std::chrono::seconds(1); }
  // True if values may be any bytes; otherwise they must be text.
  virtual bool keeps_bytes() const { return true; }
  // True if it knows when a record ends; otherwise it knows what life a renewal gives.
  virtual bool knows_remaining_lives() const { return true; }
  // True if it knows what life the last renewal gave.
  virtual bool knows_granted_lives() const { return true; }
  // True if a watch reports each state of a key, and may begin at a list of another registry.
  virtual bool keeps_history() const { return true; }
};

// etcd, etcd2: the installed one. etcd_old, etcd2_old: etcd 3.3, the last that speaks v2 unasked;
// etcd_new: etcd 3.5. consul: Consul 1.8. See scripts/fetch-etcd33.sh, fetch-etcd35.sh and
// fetch-consul.sh.
enum class StoreUnderTestKind {
  memory,
  sqlite,
  etcd,
  etcd_old,
  etcd_new,
  etcd2,
  etcd2_old,
  consul
};
inline constexpr StoreUnderTestKind kStoresUnderTest[] = {
    StoreUnderTestKind::memory,    StoreUnderTestKind::sqlite,   StoreUnderTestKind::etcd,
    StoreUnderTestKind::etcd_old,  StoreUnderTestKind::etcd_new, StoreUnderTestKind::etcd2,
    StoreUnderTestKind::etcd2_old, StoreUnderTestKind::consul};

std::string name(StoreUnderTestKind kind);  // for the name of a test
// Returns which program is missing to run this store; empty: none.
std::string missing_for(StoreUnderTestKind kind);
std::unique_ptr<StoreUnderTest> store_under_test(StoreUnderTestKind kind);

}  // namespace flannel
