// SPDX-License-Identifier: Apache-2.0
#include "core/store_copy.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace flannel::store_copy_test {
namespace {

using std::chrono::hours;

const StoreAddress kOld = StoreAddress::parse("memory:#/old").value();
const StoreAddress kNew = StoreAddress::parse("memory:#/new").value();
constexpr const char* kConfig = R"({"Network":"10.5.0.0/16"})";

// "@7 192.0.2.1" is a lease of node 7, "192.0.2.1" one of upstream; a final "!" is a copy's mark.
std::string value_of(std::string text) {
  const bool copied = text.ends_with('!');
  if (copied) text.pop_back();
  std::optional<NodeTag> node;
  if (text.starts_with('@')) {
    node.emplace();
    node->id.bytes[0] = static_cast<std::uint8_t>(text[1] - '0');
    text.erase(0, 3);
  }
  auto attributes = LeaseAttributes::of_host(IpAddress::parse(text).value());
  attributes.node = node;
  const std::string value = encode_lease_value(attributes);
  return copied ? with_copy_mark(value, "1") : value;
}

class StoreCopyTest : public ::testing::Test {
 protected:
  static void put(Snapshot& store, const std::string& key, const std::string& lease,
                  bool expires = true) {
    const Revision at = ++store.revision;
    store.records.push_back({key, value_of(lease), at, expires ? "ttl" : "", at});
    std::ranges::sort(store.records, {}, &Record::key);
  }
  static void configure(Snapshot& store, const MoveNotes& notes = {}) {
    store.config = {with_move_notes(kConfig, notes).value(), ++store.revision};
  }
  // One line for each step.
  std::string plan(bool force = false) const {
    const auto plan = plan_copy(old_, new_, {kOld, kNew, "1", hours(24), force});
    if (!plan) return plan.error().text;
    std::string text;
    for (const CopyStep& step : plan->steps) {
      const auto* create = std::get_if<CopyStep::Create>(&step.act);
      const auto* replace = std::get_if<CopyStep::Replace>(&step.act);
      const std::string& value = create ? create->value : replace ? replace->value : "";
      text += fmt::format(
          "{} {}{}{}; ", std::array{"create", "replace", "remove", "keep"}[step.act.index()],
          step.key, has_copy_mark(value) ? " marked" : "", step.reservation ? " for ever" : "");
    }
    return text;
  }

  Snapshot old_, new_;
};

TEST_F(StoreCopyTest, LeasesAreCopiedInTheOrderOfTheirAge) {
  configure(old_);
  put(old_, "10.5.9.0-24", "@1 192.0.2.1");
  put(old_, "10.5.3.0-24", "@2 192.0.2.2", false);
  put(old_, "10.5.1.0-24", "192.0.2.3", false);
  EXPECT_EQ(plan(),
            "create 10.5.9.0-24 marked; create 10.5.3.0-24 marked for ever; "
            "create 10.5.1.0-24 for ever; ");
}

TEST_F(StoreCopyTest, ACopyLivesAsLongAsItsOriginal) {
  configure(old_);
  put(old_, "10.5.1.0-24", "@1 192.0.2.1");
  put(old_, "10.5.2.0-24", "@2 192.0.2.2", false);
  put(old_, "10.5.3.0-24", "@3 192.0.2.3");
  put(old_, "10.5.4.0-24", "@4 192.0.2.4");
  put(new_, "10.5.4.0-24", "@5 192.0.2.5!");
  RemainingLives lives{.left = {{"10.5.1.0-24", hours(3)}, {"10.5.4.0-24", hours(0)}}};
  const auto copy = plan_copy(old_, new_, {kOld, kNew, "1", hours(24), false, lives});
  ASSERT_TRUE(copy);
  std::vector<Ttl> ttls;
  for (const CopyStep& step : copy->steps)
    ttls.push_back(step.ttl);
  EXPECT_EQ(ttls, (std::vector<Ttl>{hours(3), {}, hours(24), std::chrono::seconds(1)}));
  ASSERT_EQ(copy->remarks.size(), 1U);
  EXPECT_EQ(copy->remarks[0],
            "memory:#/old does not say how long 1 of its leases live on: 86400 s are taken for "
            "them");
}

TEST_F(StoreCopyTest, BothNotesHaveOneId) {
  configure(old_);
  const auto copy = plan_copy(old_, new_, {kOld, kNew, "ab", hours(24), false});
  ASSERT_TRUE(copy);
  EXPECT_EQ(read_move_notes(copy->config_of_from)->to, (MoveNote{"ab", kNew, false}));
  EXPECT_EQ(read_move_notes(copy->config_of_to)->from, (MoveNote{"ab", kOld, false}));
  EXPECT_EQ(copy->seen_of_to, 0);
}

TEST_F(StoreCopyTest, WhatIsUnderWayIsGoneOnWith) {
  configure(old_, {.to = MoveNote{"5", kNew, false}, .from = {}});
  configure(new_, {.to = {}, .from = MoveNote{"5", kOld, false}});
  put(old_, "10.5.1.0-24", "@1 192.0.2.1");
  put(old_, "10.5.2.0-24", "@2 192.0.2.2");
  put(old_, "10.5.3.0-24", "@3 192.0.2.3");
  put(old_, "10.5.4.0-24", "@4 192.0.2.4");
  put(new_, "10.5.1.0-24", "@1 192.0.2.1");   // has followed
  put(new_, "10.5.2.0-24", "@2 192.0.2.2!");  // not yet
  put(new_, "10.5.3.0-24", "@9 192.0.2.9!");  // the copy of a lease that has ended
  put(new_, "10.5.7.0-24", "@7 192.0.2.7!");  // likewise
  put(new_, "10.5.8.0-24", "@8 192.0.2.8");   // followed, and its old lease has ended since
  EXPECT_EQ(plan(),
            "keep 10.5.1.0-24; keep 10.5.2.0-24; replace 10.5.3.0-24 marked; "
            "create 10.5.4.0-24 marked; remove 10.5.7.0-24; ");
}

TEST_F(StoreCopyTest, RecordsOfAnEarlierTimeAreNoProofOfFollowing) {
  configure(old_);
  put(old_, "10.5.1.0-24", "@1 192.0.2.1");
  put(new_, "10.5.1.0-24", "@1 192.0.2.1");
  put(new_, "10.5.8.0-24", "@8 192.0.2.8");
  const std::string anew = "replace 10.5.1.0-24 marked; remove 10.5.8.0-24; ";
  configure(new_, {.to = {}, .from = MoveNote{"4", kOld, false}});  // given up, or interrupted
  EXPECT_EQ(plan(), anew);
  configure(new_, {.to = MoveNote{"4", kOld, true}, .from = {}});  // back where it came from
  EXPECT_EQ(plan(), anew);
}

TEST_F(StoreCopyTest, AnotherNetworkIsRefusedUnlessForced) {
  configure(old_);
  put(old_, "10.5.1.0-24", "@1 192.0.2.1");
  new_.config = {R"({"Network":"10.6.0.0/16"})", 4};
  put(new_, "10.5.1.0-24", "@2 192.0.2.2");
  put(new_, "10.6.1.0-24", "@3 192.0.2.3");
  const std::string refusal = plan();
  EXPECT_NE(refusal.find("memory:#/new has the configuration of another network; "),
            std::string::npos)
      << refusal;
  EXPECT_NE(refusal.find("memory:#/new has a lease of 192.0.2.2 ("), std::string::npos) << refusal;
  EXPECT_NE(refusal.find(") on 10.6.1.0/24, which memory:#/old has not"), std::string::npos);
  EXPECT_EQ(plan(true), "replace 10.5.1.0-24 marked; ");
}

TEST_F(StoreCopyTest, UpstreamsDaemonsAreNamedAndNeedForce) {
  configure(old_);
  put(old_, "10.5.1.0-24", "@1 192.0.2.1");
  put(old_, "10.5.2.0-24", "192.0.2.2");
  EXPECT_EQ(plan(),
            "daemons that do not follow a move stay with memory:#/old: 192.0.2.2 (--force "
            "copies all the same)");
  EXPECT_EQ(plan(true), "create 10.5.1.0-24 marked; create 10.5.2.0-24 marked; ");
}

TEST_F(StoreCopyTest, WhatEvenForceDoesNotPermit) {
  EXPECT_EQ(plan(true), "memory:#/old has no configuration");
  configure(old_, {.to = MoveNote{"5", kNew, true}, .from = {}});
  EXPECT_EQ(plan(true), "memory:#/old is retired, its network is in memory:#/new");
  configure(old_, {.to = MoveNote{"5", kOld, false}, .from = {}});
  EXPECT_EQ(plan(true),
            "memory:#/old moves to memory:#/old already; \"flannelctl store abandon\" "
            "gives that up");
  configure(old_, {.to = {}, .from = MoveNote{"5", kNew, false}});
  EXPECT_EQ(plan(true),
            "memory:#/old is itself the target of an unfinished move from memory:#/new");
  configure(old_, {.to = MoveNote{"5", kNew, false}, .from = {}});
  configure(new_, {.to = {}, .from = MoveNote{"5", kOld, true}});
  EXPECT_NE(plan(true).find("is not the target of this move any more"), std::string::npos);
}

TEST_F(StoreCopyTest, WhatIsNoLeaseIsNamedAndNotCopied) {
  configure(old_);
  old_.records.push_back({"rubbish", "{}", 7, "ttl", 7});
  const auto copy = plan_copy(old_, new_, {kOld, kNew, "1", hours(24), false});
  ASSERT_TRUE(copy);
  EXPECT_TRUE(copy->steps.empty());
  ASSERT_EQ(copy->remarks.size(), 1U);
  EXPECT_TRUE(copy->remarks[0].starts_with("rubbish is not copied: ")) << copy->remarks[0];
}

TEST_F(StoreCopyTest, EachHostIsSomewhere) {
  put(old_, "10.5.1.0-24", "@1 192.0.2.1");
  put(old_, "10.5.2.0-24", "@2 192.0.2.2");
  put(old_, "10.5.3.0-24", "@3 192.0.2.3");
  put(old_, "10.5.4.0-24", "@4 192.0.2.4");
  put(old_, "10.5.5.0-24", "192.0.2.5");
  put(old_, "10.5.6.0-24", "192.0.2.6", false);
  put(new_, "10.5.1.0-24", "@1 192.0.2.1");
  put(new_, "10.5.2.0-24", "@2 192.0.2.2!");
  put(new_, "10.5.4.0-24", "@5 192.0.2.9");
  put(new_, "10.5.5.0-24", "192.0.2.5!");
  put(new_, "10.5.6.0-24", "192.0.2.6", false);
  std::string text;
  for (const FollowingHost& host : hosts_of_move(old_, new_))
    text += fmt::format("{} {}{}\n", host.key, to_string(host.following),
                        host.is_behind() ? " (behind)" : "");
  EXPECT_EQ(text,
            "10.5.1.0-24 has followed\n"
            "10.5.2.0-24 has not followed yet (behind)\n"
            "10.5.3.0-24 is missing in the new store (behind)\n"
            "10.5.4.0-24 another host has its subnet in the new store (behind)\n"
            "10.5.5.0-24 runs a daemon that does not follow (behind)\n"
            "10.5.6.0-24 reservation, is in both stores\n");
}

TEST_F(StoreCopyTest, HostsOfIPv6AloneAreKnownByTheirIPv6Address) {
  put(old_, "0.0.0.0-0&fd00:0:0:1::-64", "2001:db8::1", false);
  put(old_, "0.0.0.0-0&fd00:0:0:2::-64", "2001:db8::2", false);
  put(new_, "0.0.0.0-0&fd00:0:0:1::-64", "2001:db8::1", false);
  put(new_, "0.0.0.0-0&fd00:0:0:2::-64", "2001:db8::9", false);
  std::string text;
  for (const FollowingHost& host : hosts_of_move(old_, new_))
    text += fmt::format("{} {}\n", host.key, to_string(host.following));
  EXPECT_EQ(text,
            "0.0.0.0-0&fd00:0:0:1::-64 reservation, is in both stores\n"
            "0.0.0.0-0&fd00:0:0:2::-64 another host has its subnet in the new store\n");
}

}  // namespace
}  // namespace flannel::store_copy_test
