// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>

#include "support/blocking_registry.h"
#include "support/store_under_test.h"

namespace flannel {

// The fixture of tests that run with every kind of store: INSTANTIATE_TEST_SUITE_P over
// kStoresUnderTest.
class StoreTest : public ::testing::TestWithParam<StoreUnderTestKind> {
 protected:
  void SetUp() override {
    const std::string missing = missing_for(GetParam());
    if (!missing.empty()) GTEST_SKIP() << missing << ": " << name(GetParam()) << " IS NOT TESTED";
    store = store_under_test(GetParam());
    session = open();
  }

  std::unique_ptr<BlockingRegistry> open(const std::string& prefix = "/coreos.com/network") {
    return std::make_unique<BlockingRegistry>(store->open(prefix, loop.loop()), loop);
  }

  Revision now() { return now(*session); }
  // A store without a history lets a watch begin only at a list of the same registry.
  static Revision now(BlockingRegistry& registry) { return registry.snapshot().value().revision; }

  PatientLoop loop;  // must outlive the registries
  std::unique_ptr<StoreUnderTest> store;
  std::unique_ptr<BlockingRegistry> session;
};

}  // namespace flannel
