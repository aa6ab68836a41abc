// SPDX-License-Identifier: Apache-2.0
#include "status/live_view.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace flannel::live_view_test {
namespace {

using Json = nlohmann::json;
using control::PeerRow;

constexpr TimePoint kNow{std::chrono::seconds(100)};

PeerRow peer(const std::string& subnet, PathState state, TimePoint heard = kNow) {
  const Lease lease{SubnetKey::of(IpPrefix::parse(subnet).value()),
                    decode_lease_value(R"({"PublicIP":"192.0.2.2"})").value()};
  return {lease, "", "", {{Family::v4, {.state = state, .last_heard = heard}, ""}}};
}

LiveView view(std::vector<PeerRow> peers, std::shared_ptr<const StatusSnapshot> status,
              std::deque<LoadSample> load = {}) {
  LiveView made{.now = kNow,
                .status = std::move(status),
                .peers = {},
                .load = std::make_shared<const std::deque<LoadSample>>(std::move(load)),
                .devices = {"flannel.1"}};
  made.peers.peers = std::move(peers);
  return made;
}

Json parse(const std::string& event) {
  EXPECT_TRUE(event.starts_with("data: ") && event.ends_with("\n\n")) << event;
  EXPECT_EQ(event.find('\n'), event.size() - 2) << "an event is one line";
  return Json::parse(event.substr(6));
}

class LiveViewTest : public testing::Test {
 protected:
  std::shared_ptr<const StatusSnapshot> status = std::make_shared<StatusSnapshot>();
  LiveEvents events;
};

TEST_F(LiveViewTest, TheFirstViewIsWhole) {
  events.take(view({peer("10.5.1.0/24", PathState::ok)}, status, {{.at = kNow, .sent = 7.9}}));
  EXPECT_EQ(events.change(), "");
  const Json whole = parse(events.whole());
  EXPECT_EQ(whole["whole"], true);
  EXPECT_EQ(whole["now_s"], 100.0);
  EXPECT_EQ(whole["status"]["ready"], false);
  EXPECT_EQ(whole["peers"][0]["state"], "ok");
  EXPECT_EQ(whole["samples"].dump(), "[[100.0,null,7,null]]");
}

TEST_F(LiveViewTest, NothingIsSentWhileNothingChanges) {
  const auto same = [&] { return view({peer("10.5.1.0/24", PathState::ok)}, status); };
  events.take(same());
  events.take(same());
  EXPECT_EQ(events.change(), "");
}

TEST_F(LiveViewTest, AChangeHasThePeersThatChangedAndThoseThatAreGone) {
  events.take(view({peer("10.5.1.0/24", PathState::ok), peer("10.5.2.0/24", PathState::ok),
                    peer("10.5.3.0/24", PathState::ok), peer("10.5.9.0/24", PathState::ok)},
                   status));
  events.take(view({peer("10.5.2.0/24", PathState::ok), peer("10.5.3.0/24", PathState::unreachable),
                    peer("10.5.4.0/24", PathState::never_seen)},
                   status));
  const Json change = parse(events.change());
  EXPECT_EQ(change["whole"], false);
  EXPECT_FALSE(change.contains("status"));
  ASSERT_EQ(change["peers"].size(), 2U);
  EXPECT_EQ(change["peers"][0]["subnets"][0], "10.5.3.0/24");
  EXPECT_EQ(change["peers"][0]["state"], "unreachable");
  EXPECT_EQ(change["peers"][1]["state"], "never-seen");
  EXPECT_EQ(change["gone"].dump(), R"([["10.5.1.0/24"],["10.5.9.0/24"]])");
}

TEST_F(LiveViewTest, AnotherStatusAndALaterSampleAreSentAlone) {
  events.take(view({peer("10.5.1.0/24", PathState::ok)}, status, {{.at = kNow}}));
  events.take(view({peer("10.5.1.0/24", PathState::ok)}, std::make_shared<StatusSnapshot>(),
                   {{.at = kNow}, {.at = kNow + std::chrono::seconds(10)}}));
  const Json change = parse(events.change());
  EXPECT_TRUE(change.contains("status"));
  EXPECT_TRUE(change["peers"].empty());
  EXPECT_EQ(change["samples"].dump(), "[[110.0,null,null,null]]");
}

TEST_F(LiveViewTest, TheNetworksThatCanBeChosenAreSentWhenTheyChange) {
  const auto with = [&](std::vector<std::string> networks) {
    LiveView made = view({}, status);
    made.network = "blue";
    made.networks = std::move(networks);
    return made;
  };
  events.take(with({"blue"}));
  EXPECT_EQ(parse(events.whole())["network"], "blue");
  EXPECT_EQ(parse(events.whole())["networks"].dump(), R"(["blue"])");
  events.take(with({"blue", "green"}));
  EXPECT_EQ(parse(events.change())["networks"].dump(), R"(["blue","green"])");
  events.take(with({"blue", "green"}));
  EXPECT_EQ(events.change(), "");
}

TEST_F(LiveViewTest, AHostileTextStaysInItsLine) {
  PeerRow hostile = peer("10.5.1.0/24", PathState::ok);
  hostile.why = "a\n\ndata: {}\xff</script>";
  events.take(view({hostile}, status));
  EXPECT_EQ(parse(events.whole())["peers"].size(), 1U);
}

TEST(LoadHistoryTest, RatesFollowFromCountersAndTheHourIsBounded) {
  LoadHistory history;
  const auto at = [](int number) { return kNow + number * LoadHistory::kEvery; };
  history.add(at(0), CarriedBytes{.received = 1000, .sent = 5000}, std::chrono::microseconds(300));
  history.add(at(1), CarriedBytes{.received = 2000, .sent = 5000}, std::nullopt);
  history.add(at(2), CarriedBytes{.received = 10, .sent = 10}, std::nullopt);
  history.add(at(3), std::nullopt, std::nullopt);
  const auto& samples = history.samples();
  EXPECT_EQ(samples[0], (LoadSample{.at = at(0), .rtt = std::chrono::microseconds(300)}));
  EXPECT_EQ(samples[1], (LoadSample{.at = at(1), .received = 100, .sent = 0}));
  EXPECT_EQ(samples[2], LoadSample{.at = at(2)}) << "the device was made anew";
  EXPECT_EQ(samples[3], LoadSample{.at = at(3)});
  for (int number = 4; number < 1000; ++number)
    history.add(at(number), std::nullopt, std::nullopt);
  EXPECT_EQ(samples.size(), LoadHistory::kMost);
}

TEST_F(LiveViewTest, RowsOfOtherHostsAreSentWhenTheyChange) {
  const auto row = [](const char* subnet, std::size_t ok) {
    return SeenRow{SubnetKey::of(IpPrefix::parse(subnet).value()), kNow, {.node = {}, .ok = ok}};
  };
  const auto with = [&](std::vector<SeenRow> rows) {
    LiveView made = view({}, status);
    made.rows = std::make_shared<const SeenRows>(std::move(rows), "");
    return made;
  };
  events.take(with({row("10.5.1.0/24", 1), row("10.5.2.0/24", 1), row("10.5.3.0/24", 1)}));
  EXPECT_EQ(parse(events.whole())["has_rows"], true);
  EXPECT_EQ(parse(events.whole())["rows"].size(), 3U);
  events.take(with({row("10.5.1.0/24", 1), row("10.5.2.0/24", 2), row("10.5.4.0/24", 1)}));
  const Json change = parse(events.change());
  EXPECT_EQ(change["rows"].size(), 2U);
  EXPECT_EQ(change["rows"][0]["ok"], 2);
  EXPECT_EQ(change["rows"][1]["subnets"].dump(), R"(["10.5.4.0/24"])");
  EXPECT_EQ(change["rows_gone"].dump(), R"([["10.5.3.0/24"]])");
  events.take(with({row("10.5.1.0/24", 1), row("10.5.2.0/24", 2), row("10.5.4.0/24", 1)}));
  EXPECT_EQ(events.change(), "");
  events.take(view({}, status));
  EXPECT_EQ(parse(events.whole())["has_rows"], false);
}

}  // namespace
}  // namespace flannel::live_view_test
