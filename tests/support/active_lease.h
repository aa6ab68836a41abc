// SPDX-License-Identifier: Apache-2.0
// The fixture of tests that begin with an active lease, 10.5.0.32/27.
#pragma once

#include <gtest/gtest.h>

#include "support/keeper_host.h"

namespace flannel {

inline constexpr const char* kKey = "10.5.0.32-27";
inline constexpr const char* kStranger = R"({"PublicIP":"192.0.2.9"})";

// A Random that always returns 0, which chooses the first subnet.
inline std::uint64_t draw_first(std::uint64_t) {
  return 0;
}

class ActiveLeaseTest : public ::testing::Test {
 protected:
  SimulatedStore store;
  LeaseAttributes announced{.public_ip = IpAddress::v4(192, 0, 2, 1), .backend_type = "vxlan"};
  KeeperHost us{store, LeaseKeeper(
                           {}, config(), announced.public_ip,
                           [this](const Lease*) { return announced; }, std::nullopt, draw_first)};

  static NetworkConfig config() {
    return parse_network_config(R"({"Network":"10.5.0.0/24","SubnetLen":27})")->config;
  }
  void SetUp() override {
    store.now = TimePoint(std::chrono::hours(1000));
    us.start();
    us.finish_calls();
    ASSERT_EQ(us.take_log(), "list | create 10.5.0.32-27 | active 10.5.0.32/27@192.0.2.1");
  }
  void TearDown() override { EXPECT_TRUE(us.one_call_at_a_time); }
  // Delivers all changes and answers all calls; returns what the keeper did meanwhile.
  std::string log_when_finished() {
    us.finish_calls();
    return us.take_log();
  }
  std::string ours() const { return encode_lease_value(announced); }
  const Record& record() { return store.records.at(kKey); }
};

}  // namespace flannel
