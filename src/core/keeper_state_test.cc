// SPDX-License-Identifier: Apache-2.0
#include "core/keeper_state.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "support/active_lease.h"

namespace flannel::keeper::keeper_state_test {
namespace {

constexpr std::array<const char*, kNames> kWords{
    "idle",       "listing",     "paused",          "creating",       "adopting",
    "discarding", "active",      "refreshing",      "refresh_paused", "leaving",
    "surveying",  "withdrawing", "withdraw_paused", "drained",        "returning"};

std::string followers_of(Name from) {
  std::string followers;
  for (std::size_t to = 0; to < kNames; ++to) {
    if (may_follow(from, static_cast<Name>(to)))
      followers += (followers.empty() ? "" : " ") + std::string(kWords[to]);
  }
  return followers;
}

TEST(KeeperStateTest, AStateIsFollowedByThoseOfTheDrawing) {
  EXPECT_EQ(followers_of(Name::idle), "listing active surveying");
  EXPECT_EQ(followers_of(Name::listing), "paused creating adopting discarding active leaving");
  EXPECT_EQ(followers_of(Name::paused), "listing surveying");
  EXPECT_EQ(followers_of(Name::creating), "listing paused active leaving");
  EXPECT_EQ(followers_of(Name::adopting), "listing paused active leaving");
  EXPECT_EQ(followers_of(Name::discarding), "listing paused leaving");
  EXPECT_EQ(followers_of(Name::active), "listing active refreshing surveying");
  EXPECT_EQ(followers_of(Name::refreshing), "listing active refresh_paused leaving");
  EXPECT_EQ(followers_of(Name::refresh_paused), "listing active refreshing surveying");
}

TEST(KeeperStateTest, ADrainedHostLeavesItsStatesByTheSecondDrawingOnly) {
  EXPECT_EQ(followers_of(Name::leaving), "surveying returning");
  EXPECT_EQ(followers_of(Name::surveying), "withdrawing withdraw_paused drained returning");
  EXPECT_EQ(followers_of(Name::withdrawing), "surveying withdraw_paused returning");
  EXPECT_EQ(followers_of(Name::withdraw_paused), "listing surveying");
  EXPECT_EQ(followers_of(Name::drained), "listing surveying withdraw_paused");
  EXPECT_EQ(followers_of(Name::returning), "listing leaving");
}

TEST(KeeperStateTest, AStateWaitsForATimeOrForAnAnswerNotForBoth) {
  const Record record{"10.5.0.32-27", "{}", 7, {}};
  const TimePoint soon{std::chrono::hours(5)};
  const std::array<State, kNames> states{Idle{},
                                         Listing{},
                                         Paused{soon},
                                         Creating{},
                                         Adopting{record, Update::renew},
                                         Discarding{},
                                         Active{record, soon},
                                         Refreshing{record, Update::replace},
                                         RefreshPaused{record, soon},
                                         Leaving{},
                                         Surveying{},
                                         Withdrawing{record},
                                         WithdrawPaused{soon},
                                         Drained{},
                                         Returning{}};
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
  EXPECT_EQ(timed, "paused active refresh_paused withdraw_paused ");
}

#ifndef NDEBUG
using KeeperStateDeathTest = ActiveLeaseTest;

TEST_F(KeeperStateDeathTest, AChangeThatIsNotDrawnIsABug) {
  State state = Listing{};
  change_state(state, Creating{});
  EXPECT_EQ(name_of(state), Name::creating);
  EXPECT_DEATH(change_state(state, Discarding{}), "may_follow");
}

TEST_F(KeeperStateDeathTest, AnAnswerToACallThatIsNotUnderWayIsABug) {
  const Error away{ErrorKind::unavailable, "store away"};
  EXPECT_DEATH(us.keeper.on_snapshot(store.now, Failure(Error(away))), "listing");
  EXPECT_DEATH(us.keeper.on_written(store.now, store.now, Failure(Error(away))), "replace");
  EXPECT_DEATH(us.keeper.on_renewed(store.now, store.now, Failure(Error(away))), "renew");
  EXPECT_DEATH(us.keeper.on_released(store.now, Failure(Error(away))), "discarding");
}
#endif

}  // namespace
}  // namespace flannel::keeper::keeper_state_test
