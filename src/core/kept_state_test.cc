// SPDX-License-Identifier: Apache-2.0
#include "core/kept_state.h"

#include <gtest/gtest.h>

#include "core/record_limits.h"

namespace flannel::kept_state_test {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr auto kKeptAt = std::chrono::sys_seconds(seconds(1'800'000'000));

ListedLease lease(const std::string& key, std::uint8_t host, bool expires = true) {
  LeaseAttributes attributes = LeaseAttributes::of_host(IpAddress::v4(192, 0, 2, host));
  attributes.backend_type = "vxlan";
  attributes.backend_data = R"({"VNI":1,"VtepMAC":"02:00:00:00:00:01"})";
  return {.lease = Lease{decode_subnet_key(key).value(), attributes},
          .created = 10 + host,
          .revision = 20 + host,
          .expires = expires};
}

std::vector<ListedLease> leases() {
  return {lease("10.5.1.0-24", 1), lease("10.5.2.0-24", 2), lease("10.5.30.0-24&fd00:5::-64", 3),
          lease("10.5.4.0-24", 4, false)};
}

// Kept an hour after the boot, with a lease of ten hours more.
KeptState state() {
  KeptState state;
  state.store = "etcd http://192.0.2.9:2379 /coreos.com/network";
  state.history_name = "v3";
  state.node.bytes[3] = 7;
  state.saved = {"boot-1", TimePoint(hours(1)), kKeptAt, true, false};
  state.lease.record = {
      .key = "10.5.2.0-24",
      .value = encode_lease_value(leases()[1].lease->attributes),
      .revision = 22,
      .expiry_handle = "694d81",
      .created = 12,
  };
  state.lease.ends = TimePoint(hours(11));
  state.lease.life = hours(24);
  state.config = {"{\n \"Network\": \"10.5.0.0/16\"\n}", 9};
  state.history = {RecordPut{state.lease.record}, RecordGone{"10.5.9.0-24", 23}, ConfigGone{24},
                   ConfigPut{state.config}, RecordPut{{"x\ny", "\"\\\n", 25, "", 25}}};
  return state;
}

HostClock clock(const std::string& boot, Duration since_boot, seconds later, bool right = true) {
  return {boot, TimePoint(since_boot), kKeptAt + later, right, false};
}

TEST(KeptStateTest, WhatIsKeptComesBack) {
  const auto back = decode_kept_state(encode_kept_state(state(), leases())).value();
  const KeptState kept = state();
  EXPECT_EQ(back.state.store, kept.store);
  EXPECT_EQ(back.state.history_name, "v3");
  EXPECT_EQ(back.state.node, kept.node);
  EXPECT_EQ(back.state.saved.boot, kept.saved.boot);
  EXPECT_EQ(back.state.saved.since_boot, kept.saved.since_boot);
  EXPECT_EQ(back.state.saved.wall, kept.saved.wall);
  EXPECT_TRUE(back.state.saved.by_server);
  EXPECT_FALSE(back.state.saved.by_hardware);
  EXPECT_EQ(back.state.lease, kept.lease);
  EXPECT_EQ(back.state.config, kept.config);
  ASSERT_EQ(back.state.history.size(), kept.history.size());
  for (std::size_t i = 0; i < kept.history.size(); ++i)
    EXPECT_EQ(back.state.history[i].index(), kept.history[i].index()) << i;
  EXPECT_EQ(std::get<RecordPut>(back.state.history[4]).record,
            std::get<RecordPut>(kept.history[4]).record);
  EXPECT_EQ(std::get<RecordGone>(back.state.history[1]).revision, 23);
}

TEST(KeptStateTest, TheSnapshotHasTheLeasesAndOurOwnRecordAsItIs) {
  const auto back = decode_kept_state(encode_kept_state(state(), leases())).value();
  ASSERT_EQ(back.snapshot.records.size(), 4U);
  EXPECT_TRUE(std::ranges::is_sorted(back.snapshot.records, {}, &Record::key));
  for (const ListedLease& lease : leases()) {
    const auto record = std::ranges::find(back.snapshot.records, lease.key(), &Record::key);
    ASSERT_NE(record, back.snapshot.records.end()) << lease.key();
    EXPECT_EQ(record->revision, lease.revision);
    EXPECT_EQ(record->created, lease.created);
    EXPECT_EQ(record->expires(), lease.expires);
    EXPECT_EQ(decode_lease(*record).value(), lease.lease->attributes);
  }
  EXPECT_EQ(back.snapshot.records[0].key, "10.5.1.0-24");
  EXPECT_EQ(back.snapshot.records[1], state().lease.record) << "with its handle";
  EXPECT_EQ(back.snapshot.config, state().config);
}

TEST(KeptStateTest, AnyLineThatIsMissingOrTooManyIsAnError) {
  const std::string text = encode_kept_state(state(), leases());
  for (std::size_t end = 0; end < text.size(); ++end)
    EXPECT_FALSE(decode_kept_state(text.substr(0, end))) << end;
  EXPECT_FALSE(decode_kept_state(text + "\n"));
}

// The watch may not have reported our last write yet.
TEST(KeptStateTest, OurOwnRecordIsThereInAnyCase) {
  std::vector<ListedLease> others = leases();
  others.erase(others.begin() + 1);
  const auto back = decode_kept_state(encode_kept_state(state(), others)).value();
  ASSERT_EQ(back.snapshot.records.size(), 4U);
  EXPECT_EQ(back.snapshot.records[1], state().lease.record);
}

TEST(KeptStateTest, AnotherVersionIsAnError) {
  std::string text = encode_kept_state(state(), leases());
  const std::string version = R"("Version":1)";
  text.replace(text.find(version), version.size(), R"("Version":2)");
  EXPECT_FALSE(decode_kept_state(text));
}

TEST(KeptLeaseTest, WithinABootTheSteadyClockDecides) {
  for (const bool right : {false, true}) {
    const auto end = end_of_kept_lease(state(), clock("boot-1", hours(10), hours(9), right));
    ASSERT_TRUE(end);
    EXPECT_EQ(*end, TimePoint(hours(11)));
    EXPECT_FALSE(end_of_kept_lease(state(), clock("boot-1", hours(11), hours(9), right)));
  }
  const auto wrong = end_of_kept_lease(state(), clock("boot-1", hours(2), -hours(90), false));
  EXPECT_TRUE(wrong) << "a wall clock that may be wrong says nothing";
}

TEST(KeptLeaseTest, AMachineThatWasRestoredHasTheWrongSteadyClock) {
  const auto end = end_of_kept_lease(state(), clock("boot-1", hours(2), hours(30)));
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind, ErrorKind::conflict);
  const auto earlier = end_of_kept_lease(state(), clock("boot-1", hours(0), hours(30), false));
  ASSERT_FALSE(earlier) << "the steady clock went back";
}

TEST(KeptLeaseTest, AfterABootTheWallClockDecidesIfItIsRight) {
  const auto end = end_of_kept_lease(state(), clock("boot-2", seconds(40), hours(4)));
  ASSERT_TRUE(end);
  EXPECT_EQ(*end, TimePoint(seconds(40) + hours(6) - 2 * kClockError - seconds(1)));
  const seconds last = hours(10) - 2 * kClockError - seconds(2);
  EXPECT_TRUE(end_of_kept_lease(state(), clock("boot-2", seconds(40), last)));
  const auto ended = end_of_kept_lease(state(), clock("boot-2", seconds(40), last + seconds(1)));
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().kind, ErrorKind::conflict);
  EXPECT_NE(ended.error().text.find("2027-01-15 18:00:00 UTC"), std::string::npos)
      << ended.error().text;
}

TEST(KeptLeaseTest, AfterABootAClockThatMayBeWrongDecidesNothing) {
  for (const seconds later : {seconds(-1), seconds(5), seconds(hours(300))}) {
    const auto end = end_of_kept_lease(state(), clock("boot-2", seconds(40), later, false));
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().kind, ErrorKind::unavailable) << "it may become right";
  }
  const auto before = end_of_kept_lease(state(), clock("boot-2", seconds(40), seconds(-1)));
  ASSERT_FALSE(before);
  EXPECT_EQ(before.error().kind, ErrorKind::unavailable);
  KeptState unsure = state();
  unsure.saved.by_server = false;
  const auto never = end_of_kept_lease(unsure, clock("boot-2", seconds(40), hours(1)));
  ASSERT_FALSE(never);
  EXPECT_EQ(never.error().kind, ErrorKind::conflict);
}

// One that is three hours slow has the wall clock of the next boot three hours slow.
TEST(KeptLeaseTest, AHardwareClockIsComparedWithItselfAlone) {
  HostClock now = clock("boot-2", seconds(40), hours(4), false);
  now.by_hardware = true;
  EXPECT_FALSE(end_of_kept_lease(state(), now)) << "a server set the time when it was kept";
  KeptState kept = state();
  kept.saved.by_hardware = true;
  EXPECT_TRUE(end_of_kept_lease(kept, now));
  kept.saved.by_server = false;
  EXPECT_TRUE(end_of_kept_lease(kept, now));
  now.by_hardware = false;
  now.by_server = true;
  EXPECT_FALSE(end_of_kept_lease(kept, now));
}

TEST(KeptLeaseTest, ABootThatIsNotKnownIsAnotherOne) {
  KeptState kept = state();
  kept.saved.boot.clear();
  EXPECT_FALSE(end_of_kept_lease(kept, clock("", hours(2), hours(1), false)));
}

TEST(KeptLeaseTest, AReservationDoesNotEnd) {
  KeptState reserved = state();
  reserved.lease.ends = kNever;
  EXPECT_FALSE(decode_kept_state(encode_kept_state(reserved, {}))) << "its record expires";
  EXPECT_EQ(end_of_kept_lease(reserved, clock("boot-2", seconds(1), -hours(9), false)).value(),
            kNever);
}

}  // namespace
}  // namespace flannel::kept_state_test
