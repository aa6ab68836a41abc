// SPDX-License-Identifier: Apache-2.0
#include "core/keeper_state.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "support/active_lease.h"

namespace flannel::keeper {
namespace {

constexpr std::array<const char*, kNames> kWords{
    "idle",       "listing", "paused",     "creating",       "adopting",
    "discarding", "active",  "refreshing", "refresh_paused", "releasing"};

std::string ways_from(Name from) {
  std::string ways;
  for (std::size_t to = 0; to < kNames; ++to) {
    if (may_follow(from, static_cast<Name>(to)))
      ways += (ways.empty() ? "" : " ") + std::string(kWords[to]);
  }
  return ways;
}

TEST(KeeperStateTest, GoesOnAsDrawn) {
  EXPECT_EQ(ways_from(Name::idle), "idle listing");
  EXPECT_EQ(ways_from(Name::listing), "idle paused creating adopting discarding active releasing");
  EXPECT_EQ(ways_from(Name::paused), "idle listing releasing");
  EXPECT_EQ(ways_from(Name::creating), "listing paused active");
  EXPECT_EQ(ways_from(Name::adopting), "listing paused active");
  EXPECT_EQ(ways_from(Name::discarding), "idle listing paused");
  EXPECT_EQ(ways_from(Name::active), "idle listing active refreshing releasing");
  EXPECT_EQ(ways_from(Name::refreshing), "listing paused active refresh_paused");
  EXPECT_EQ(ways_from(Name::refresh_paused), "idle listing active refreshing releasing");
  EXPECT_EQ(ways_from(Name::releasing), "idle listing paused");
}

TEST(KeeperStateTest, WaitsForATimeOrForAnAnswerNeverForBoth) {
  const Record record{"10.5.0.32-27", "{}", 7, {}};
  const TimePoint soon{std::chrono::hours(5)};
  const std::array<State, kNames> states{Idle{},
                                         Listing{},
                                         Paused{soon, record},
                                         Creating{},
                                         Adopting{record, Update::renew},
                                         Discarding{},
                                         Active{record, soon},
                                         Refreshing{record, Update::replace},
                                         RefreshPaused{record, soon},
                                         Releasing{record}};
  std::string timed;
  for (std::size_t i = 0; i < kNames; ++i) {
    const Name name = name_of(states[i]);
    ASSERT_EQ(static_cast<std::size_t>(name), i);
    const bool waits_for_time = wake_at_in(states[i]) != nullptr;
    EXPECT_FALSE(waits_for_time && is_call(name)) << kWords[i];
    if (waits_for_time) timed += std::string(kWords[i]) + " ";
    EXPECT_EQ(under_way(states[i]).has_value(), name == Name::adopting || name == Name::refreshing)
        << kWords[i];
    State copy = states[i];
    if (active_record_in(copy) == nullptr) continue;
    EXPECT_TRUE(name == Name::active || name == Name::refresh_paused) << kWords[i];
    EXPECT_EQ(*active_record_in(copy), *record_in(states[i])) << kWords[i];
  }
  EXPECT_EQ(timed, "paused active refresh_paused ");
}

#ifndef NDEBUG
using KeeperStateDeathTest = ActiveLeaseTest;

TEST_F(KeeperStateDeathTest, AnAnswerToACallThatIsNotUnderWayIsABug) {
  const Error away{ErrorKind::unavailable, "store away"};
  EXPECT_DEATH(us.keeper.on_snapshot(store.now, Failure(Error(away))), "listing");
  EXPECT_DEATH(us.keeper.on_written(store.now, store.now, Failure(Error(away))), "replace");
  EXPECT_DEATH(us.keeper.on_renewed(store.now, store.now, Failure(Error(away))), "renew");
  EXPECT_DEATH(us.keeper.on_released(store.now, Failure(Error(away))), "releasing");
}
#endif

}  // namespace
}  // namespace flannel::keeper
