// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/problem_kinds.h"
#include "status/board.h"
#include "status/pages.h"

namespace flannel::status_test {
namespace {

using std::chrono::seconds;

constexpr TimePoint kNow{std::chrono::hours(1)};

HttpResponse page(const std::string& path, const StatusSnapshot& status,
                  std::map<std::string, std::string> query = {}) {
  return status_page({"GET", path, std::move(query)},
                     {{"", std::make_shared<StatusSnapshot>(status)}}, {}, kNow);
}

NetworkStatuses blue_and_green(bool blue_is_ready) {
  StatusSnapshot blue, green;
  blue.ready = blue_is_ready;
  green.ready = true;
  if (!blue_is_ready) blue.problems = {make_problem(kStoreConnecting, "", "not connected yet")};
  return {{"blue", std::make_shared<StatusSnapshot>(blue)},
          {"green", std::make_shared<StatusSnapshot>(green)}};
}

nlohmann::json verbose(const StatusSnapshot& status) {
  const HttpResponse response = page("/readyz", status, {{"verbose", ""}});
  EXPECT_EQ(response.content_type, "application/json");
  return nlohmann::json::parse(response.body);
}

TEST(StatusPageTest, HealthzAnswersWhileTheProcessRuns) {
  const auto response = page("/healthz", {});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "flanneld is running");
}

TEST(StatusPageTest, ReadyzNamesTheReasons) {
  StatusSnapshot status;
  status.problems = {make_problem(kStoreConnecting, "", "not connected yet"),
                     make_problem(kConfigGone, "", "bad \nkey")};
  const auto response = page("/readyz", status);
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body,
            "flanneld is not ready yet\nstore: not connected yet\nconfig: bad \\nkey; remedy: put "
            "it back with "
            "\"flannelctl config set\"");
}

TEST(StatusPageTest, ReadyzNamesWhatIsWrongOfAReadyHost) {
  StatusSnapshot status;
  status.ready = true;
  EXPECT_EQ(page("/readyz", status).body, "flanneld is ready");
  status.problems = {make_problem(kUnderlayDown, "eth0", "eth0 is down")};
  const auto response = page("/readyz", status);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body,
            "flanneld is ready\nunderlay: eth0 is down; remedy: ip link set eth0 up");
}

TEST(StatusPageTest, OneOfSeveralNetworksThatIsNotReadyMakesTheHostUnready) {
  const HttpRequest request{"GET", "/readyz", {}};
  EXPECT_EQ(status_page(request, blue_and_green(true), {}, kNow).status, 200);
  const auto response = status_page(request, blue_and_green(false), {}, kNow);
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, "flanneld is not ready yet\nnetwork blue: store: not connected yet");
}

TEST(StatusPageTest, TheVerboseFormHasAMemberForEachOfSeveralNetworks) {
  const HttpRequest request{"GET", "/readyz", {{"verbose", ""}}};
  const auto json =
      nlohmann::json::parse(status_page(request, blue_and_green(false), {}, kNow).body);
  EXPECT_FALSE(json["ready"]);
  EXPECT_FALSE(json["networks"]["blue"]["ready"]);
  EXPECT_TRUE(json["networks"]["green"]["ready"]);
}

TEST(StatusPageTest, ADaemonThatDoesNotKnowItsNetworksYetIsNotReady) {
  const HttpRequest request{"GET", "/readyz", {}};
  EXPECT_EQ(status_page(request, {}, {}, kNow).status, 200) << "there are none";
  const DaemonStatus away{false, {make_problem(kNetworksUnlisted, "etcd", "no answer")}};
  const auto page = status_page(request, {}, away, kNow);
  EXPECT_EQ(page.status, 503);
  EXPECT_EQ(page.body.find("flanneld is not ready yet\nstore: no answer; remedy: "), 0U)
      << page.body;
  const auto json = nlohmann::json::parse(
      status_page({"GET", "/readyz", {{"verbose", ""}}}, {}, away, kNow).body);
  EXPECT_EQ(json["problems"][0]["code"], "networks-unlisted");
  EXPECT_EQ(json["networks"].dump(), "{}");
}

TEST(StatusPageTest, MetricsOfSeveralNetworksAreOneFamilyWithALabel) {
  const auto text = status_page({"GET", "/metrics", {}}, blue_and_green(false), {}, kNow).body;
  EXPECT_NE(text.find("# TYPE flannel_ready gauge\n"
                      "flannel_ready{network=\"blue\"} 0\n"
                      "flannel_ready{network=\"green\"} 1\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("flannel_peers{state=\"up\",network=\"green\"} 0"), std::string::npos);
}

TEST(StatusPageTest, OtherPathsAreNotFound) {
  for (const char* path : {"/", "/healthz/", "/readyzz", "", "/metric"}) {
    EXPECT_EQ(page(path, {}).status, 404) << path;
  }
}

TEST(StatusPageTest, VerboseListsTheWholeStateOfARunningHost) {
  StatusSnapshot status;
  status.ready = true;
  status.store = {"sqlite at /x", true, kNow - seconds(90), 3, 1, 8, 2, {4, 5, 6, 7}};
  LeaseStatus& lease = status.lease.emplace();
  lease.lease.subnet.v4 = IpPrefix::of(IpAddress::v4(10, 5, 1, 0), 24);
  lease.lease.attributes.public_ip = IpAddress::v4(192, 0, 2, 1);
  lease.phase = "active";
  lease.ends = kNow + seconds(3600);
  status.backend = "vxlan";
  status.underlay =
      Underlay{.interface = "eth0",
               .interface_index = 2,
               .mtu = 1500,
               .v4 = UnderlayAddress{IpAddress::v4(192, 0, 2, 1), IpAddress::v4(203, 0, 113, 1)}};
  status.peers.up = 2;
  status.peers.unreachable = {{"10.5.9.0/24", "no VtepMAC"}};
  status.kernel.unmet = {{"route 10.5.2.0/24", "No route to host"}};
  status.kernel.counters.corrections = 4;
  const auto json = verbose(status);
  EXPECT_EQ(
      json["store"],
      (nlohmann::json{
          {"name", "sqlite at /x"},
          {"connected", true},
          {"for_s", 90},
          {"lists", 3},
          {"positions_lost", 1},
          {"resumed", 8},
          {"refuted", 2},
          {"failures", {{"transport", 4}, {"silence", 5}, {"cancelled", 6}, {"denied", 7}}}}));
  EXPECT_EQ(json["lease"], (nlohmann::json{{"subnet", "10.5.1.0/24"},
                                           {"public_ip", "192.0.2.1"},
                                           {"public_ipv6", nullptr},
                                           {"phase", "active"},
                                           {"reservation", false},
                                           {"ends_in_s", 3600}}));
  EXPECT_EQ(json["underlay"]["public_ip"], "203.0.113.1");
  EXPECT_EQ(json["peers"]["up"], 2);
  EXPECT_EQ(json["peers"]["unreachable"]["10.5.9.0/24"], "no VtepMAC");
  EXPECT_EQ(json["kernel"]["unmet"]["route 10.5.2.0/24"], "No route to host");
  EXPECT_EQ(json["kernel"]["corrections"], 4);
  EXPECT_EQ(json["version"], "v0.1.0");
}

TEST(StatusPageTest, VerboseHasEachProblemWithItsRemedyAndTheSentences) {
  StatusSnapshot status;
  Problem down = make_problem(kUnderlayDown, "eth0", "eth0 is down");
  down.since = kNow - seconds(90);
  status.problems = {down, make_problem(kRecordUnusable, "x", "x: no subnet key")};
  const auto json = verbose(status);
  EXPECT_EQ(json["problems"][0], (nlohmann::json{{"code", "underlay-down"},
                                                 {"severity", "critical"},
                                                 {"area", "underlay"},
                                                 {"object", "eth0"},
                                                 {"text", "eth0 is down"},
                                                 {"remedy", "ip link set eth0 up"},
                                                 {"for_s", 90}}));
  EXPECT_EQ(json["problems"][1]["code"], "record-unusable");
  EXPECT_EQ(json["troubles"],
            nlohmann::json{"underlay: eth0 is down; remedy: ip link set eth0 up"});
}

TEST(StatusPageTest, VerboseBeforeTheFirstLeaseAndOfAReservation) {
  StatusSnapshot status;
  EXPECT_TRUE(verbose(status)["lease"].is_null());
  EXPECT_TRUE(verbose(status)["underlay"].is_null());
  LeaseStatus& lease = status.lease.emplace();
  lease.phase = "active";
  lease.ends = kNever;
  EXPECT_EQ(verbose(status)["lease"]["reservation"], true);
  EXPECT_FALSE(verbose(status)["lease"].contains("ends_in_s"));
  lease.phase = "listing";
  EXPECT_EQ(verbose(status)["lease"]["reservation"], false) << "lost, not held for ever";
}

TEST(StatusPageTest, CountersOfThePacketPathAreThoseOfTheMoment) {
  StatusSnapshot status;
  EXPECT_TRUE(verbose(status)["packet_path"].is_null()) << "the kernel carries the packets";
  std::uint64_t count = 7;
  status.packet_path = {
      "flannel0", "flannel0 was deleted", [&count] {
        return PacketPathStatus::Counters{{{"in_packets", count}}, {{"in_wrong_sender", 3}}};
      }};
  EXPECT_EQ(verbose(status)["packet_path"], (nlohmann::json{{"device", "flannel0"},
                                                            {"trouble", "flannel0 was deleted"},
                                                            {"counters", {{"in_packets", 7}}},
                                                            {"drops", {{"in_wrong_sender", 3}}}}));
  count = 8;
  EXPECT_EQ(verbose(status)["packet_path"]["counters"]["in_packets"], 8);
}

TEST(StatusPageTest, BytesOfAStrangerThatAreNoTextAreShownAllTheSame) {
  StatusSnapshot status;
  status.peers.quarantined = {{.key = "x\xff\n", .reason = "not a subnet key"}};
  const auto json = verbose(status);
  EXPECT_EQ(json["peers"]["quarantined"][0]["key"], "x\xef\xbf\xbd\n");
  EXPECT_EQ(json["peers"]["quarantined"][0]["why"], "not a subnet key");
}

TEST(StatusBoardTest, ANetworkThatTheHostHasLeftIsGone) {
  StatusBoard board({"blue", "green"});
  const NetworkStatuses before = board.current();
  board.remove("blue");
  EXPECT_FALSE(board.current().contains("blue"));
  EXPECT_TRUE(board.current().contains("green"));
  EXPECT_NE(before.at("blue"), nullptr);
}

TEST(StatusBoardTest, AReaderKeepsItsSnapshotWhileTheNextIsPutUp) {
  StatusBoard board({"blue", "green"});
  const NetworkStatuses before = board.current();
  EXPECT_FALSE(before.at("blue")->ready);
  std::thread writer([&] {
    StatusSnapshot next;
    next.ready = true;
    board.publish("blue", std::move(next));
  });
  writer.join();
  EXPECT_FALSE(before.at("blue")->ready);
  EXPECT_TRUE(board.current().at("blue")->ready);
  EXPECT_FALSE(board.current().at("green")->ready);
}

}  // namespace
}  // namespace flannel::status_test
