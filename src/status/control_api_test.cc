// SPDX-License-Identifier: Apache-2.0
#include "status/control_api.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace flannel::control_api_test {
namespace {

using control::Call;
using Json = nlohmann::json;

constexpr uid_t kOwner = 500;

HttpRequest request(const std::string& method, const std::string& path, uid_t uid) {
  HttpRequest made{.method = method, .path = path, .query = {}, .body = {}};
  made.peer = HttpPeer{.pid = 1, .uid = uid};
  return made;
}

int refusal(const HttpRequest& asked) {
  const auto call = control::find_call(asked, kOwner);
  return call ? 0 : call.error().status;
}

TEST(ControlApiTest, WhoMayConnectMayReadAndOnlyTheOwnerMayChange) {
  for (const char* path : {"/v1/status", "/v1/peers", "/v1/diff", "/v1/options", "/v1/metrics",
                           "/v1/events", "/v1/health-rows", "/v1/log-level"})
    EXPECT_EQ(refusal(request("GET", path, 1000)), 0) << path;
  EXPECT_EQ(refusal(request("POST", "/v1/ping", 1000)), 0);
  EXPECT_EQ(refusal(request("PUT", "/v1/log-level", 0)), 0);
  EXPECT_EQ(refusal(request("PUT", "/v1/log-level", kOwner)), 0);
  EXPECT_EQ(refusal(request("PUT", "/v1/log-level", 1000)), 403);
  EXPECT_EQ(refusal(request("POST", "/v1/wireguard/rotate", 0)), 0);
  EXPECT_EQ(refusal(request("POST", "/v1/wireguard/rotate", 1000)), 403);
  HttpRequest unknown = request("PUT", "/v1/log-level", 0);
  unknown.peer.reset();
  EXPECT_EQ(refusal(unknown), 403) << "the kernel does not say who it is";
}

TEST(ControlApiTest, WhatIsNotServedIsRefusedInWords) {
  EXPECT_EQ(refusal(request("GET", "/", 0)), 404);
  EXPECT_EQ(refusal(request("GET", "/v2/status", 0)), 404);
  EXPECT_EQ(refusal(request("POST", "/v1/status", 0)), 405);
  const auto call = control::find_call(request("GET", "/v1/\x1b[2J\xff", 0), kOwner);
  const auto json = Json::parse(call.error().body);
  EXPECT_EQ(json["version"], 1);
  EXPECT_TRUE(json["error"].get<std::string>().starts_with("there is no /v1/"));
}

TEST(ControlApiTest, ARowSaysWhoIsNotWellAndHowManyAre) {
  HealthRow row{.node = {}, .serial = 1, .ok = 7};
  row.others["one-way"] = {IpPrefix::parse("10.5.2.0/24").value()};
  row.more["never-seen"] = 9;
  const SeenRows rows{{{SubnetKey::of(IpPrefix::parse("10.5.1.0/24").value()), TimePoint{}, row}},
                      "away"};
  const auto json =
      Json::parse(control::health_rows_answer(rows, TimePoint(std::chrono::seconds(5))).body);
  EXPECT_EQ(json["why"], "away");
  EXPECT_EQ(json["rows"][0].dump(),
            R"({"age_s":5,"median_rtt_us":null,"more":{"never-seen":9},"most_rtt_us":null,)"
            R"("node_id":"00000000000000000000000000000000","ok":7,)"
            R"("others":{"one-way":["10.5.2.0/24"]},"subnets":["10.5.1.0/24"]})");
}

NetworkStatuses statuses(const std::vector<std::string>& names) {
  NetworkStatuses all;
  for (const std::string& name : names)
    all[name] = std::make_shared<StatusSnapshot>();
  return all;
}

TEST(ControlApiTest, ARequestIsAboutTheNetworkThatItNamesOrTheOnlyOne) {
  HttpRequest plain = request("GET", "/v1/status", 0), green = plain, nameless = plain;
  green.query = {{"network", "green"}};
  nameless.query = {{"network", ""}};
  EXPECT_EQ(control::find_network(plain, statuses({""})), "");
  EXPECT_EQ(control::find_network(plain, statuses({"blue"})), "blue");
  EXPECT_EQ(control::find_network(green, statuses({"blue", "green"})), "green");
  const auto code = [](const HttpRequest& asked, const NetworkStatuses& all) {
    return control::find_network(asked, all).error().status;
  };
  EXPECT_EQ(code(plain, statuses({"blue", "green"})), 400);
  EXPECT_EQ(code(plain, {}), 409);
  EXPECT_EQ(code(green, {}), 404);
  EXPECT_EQ(code(green, statuses({"blue"})), 404);
  EXPECT_EQ(code(green, statuses({""})), 404);
  EXPECT_EQ(code(nameless, statuses({""})), 404);
}

TEST(ControlApiTest, APeerHasWhatItsLeaseSaysAndAState) {
  const Lease lease{SubnetKey::of(IpPrefix::parse("10.5.2.0/24").value()),
                    decode_lease_value(R"({"PublicIP":"192.0.2.2","BackendType":"vxlan",
                      "BackendData":{"VNI":7,"VtepMAC":"02:00:00:00:00:02"}})")
                        .value()};
  const TimePoint now{std::chrono::seconds(100)};
  const PathView good{.state = PathState::ok,
                      .rtt = std::chrono::microseconds(350),
                      .loss = 0.25,
                      .mtu_to = 1450,
                      .mtu_back = 1400,
                      .last_heard = now - std::chrono::seconds(7)};
  const PathView bad{.state = PathState::unreachable, .loss = 1.0};
  const control::PeersView view{
      .peers = {{lease, ""},
                {lease, "unreachable", "no route", {}, CarriedBytes{.received = 5, .sent = 7}},
                {lease, "", "", {{Family::v4, good}, {Family::v6, bad, "no answer"}}}},
      .quarantined = {{"10.5.3.0-24", "not JSON", 1, QuarantineKind::unreadable}},
      .more_quarantined = 2};
  const auto json = Json::parse(control::peers_answer(view, now).body);
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(
      json["peers"][0].dump(),
      R"j({"backend":"vxlan (VNI 7, Port 8472)","bytes_received":null,"bytes_sent":null,"last_heard_s":null,"loss":null,"mtu":null,)j"
      R"("node_id":null,"path_mtu":null,"paths":[],"public_ip":"192.0.2.2","public_ipv6":null,)"
      R"("rtt_us":null,"state":"not-probed","subnets":["10.5.2.0/24"]})");
  EXPECT_EQ(json["peers"][1]["state"], "unreachable");
  EXPECT_EQ(json["peers"][1]["why"], "no route");
  EXPECT_EQ(json["peers"][1]["bytes_sent"], 7);
  EXPECT_EQ(json["peers"][1]["bytes_received"], 5);
  const auto& probed = json["peers"][2];
  EXPECT_EQ(probed["state"], "unreachable") << "the worse family counts";
  EXPECT_EQ(probed["why"], "IPv6: no answer");
  EXPECT_EQ(probed["rtt_us"], 350);
  EXPECT_EQ(probed["loss"], 1.0);
  EXPECT_EQ(probed["path_mtu"], 1400);
  EXPECT_EQ(probed["last_heard_s"], 7);
  EXPECT_EQ(probed["paths"][0]["state"], "ok");
  EXPECT_EQ(json["quarantined"][0].dump(), R"({"key":"10.5.3.0-24","why":"not JSON"})");
  EXPECT_EQ(json["more_quarantined"], 2);
}

TEST(ControlApiTest, APingHasATargetAndMayHaveSizes) {
  const auto call =
      control::read_ping(R"({"target":"10.5.2.0/24","size":1450,"answer_size":60})").value();
  EXPECT_EQ(call.target, "10.5.2.0/24");
  EXPECT_EQ(call.sizes, (ProbeSizes{1450, 60}));
  EXPECT_EQ(control::read_ping(R"({"target":"x","size":null})")->sizes, ProbeSizes{});
  for (const char* bad : {"", "[]", "{}", R"({"target":1})", R"({"target":"x","size":-1})",
                          R"({"target":"x","size":65536})", R"({"target":"x","size":"1"})"})
    EXPECT_FALSE(control::read_ping(bad)) << bad;
}

TEST(ControlApiTest, APingNamesThePlaceWhereItStops) {
  using std::chrono::milliseconds;
  const auto stop = [](const control::PingReport& report) {
    const auto json = Json::parse(control::ping_answer(report).body);
    return json["stopped_at"].is_null() ? std::string() : json["stopped_at"].get<std::string>();
  };
  control::PingReport report{.container = IpAddress::v4(10, 5, 2, 10), .tunnel = "udp/8472"};
  EXPECT_EQ(stop(report), "lease");
  report.peer = Lease{SubnetKey::of(IpPrefix::parse("10.5.2.0/24").value()),
                      LeaseAttributes::of_host(IpAddress::v4(192, 0, 2, 2))};
  report.subnet = report.peer->subnet.v4;
  report.no_way = "it is not on the link";
  EXPECT_EQ(stop(report), "way");
  report.was_sent = true;
  EXPECT_EQ(stop(report), "underlay");
  report.outcome.underlay = milliseconds(1);
  EXPECT_EQ(stop(report), "overlay");
  report.outcome.overlay = milliseconds(2);
  EXPECT_EQ(stop(report), "container");
  report.outcome.container = milliseconds(3);
  EXPECT_EQ(stop(report), "");
  const auto json = Json::parse(control::ping_answer(report).body);
  EXPECT_EQ(json["underlay_us"], 1000);
  EXPECT_EQ(json["container_us"], 3000);
  EXPECT_EQ(json["peer"]["public_ip"], "192.0.2.2");
}

TEST(ControlApiTest, ADifferenceHasItsSignItsObjectAndTheReason) {
  const Route route{.to = IpPrefix::parse("10.5.2.0/24").value(), .link = "flannel.1"};
  Comparison comparison{.desired = 7, .differences = {{true, route, "no \x1b"}, {false, route}}};
  const auto json =
      Json::parse(control::diff_answer(comparison, std::chrono::milliseconds(900)).body);
  EXPECT_EQ(json["differences"].dump(),
            R"([{"object":"route 10.5.2.0/24 dev flannel.1","sign":"+","why":"no \u001b"},)"
            R"({"object":"route 10.5.2.0/24 dev flannel.1","sign":"-","why":null}])");
  EXPECT_EQ(json["wanted"], 7);
  EXPECT_EQ(json["more_differences"], 0);
  EXPECT_EQ(json["age_ms"], 900);
  comparison.differences.assign(1234, {false, route});
  const auto many =
      Json::parse(control::diff_answer(comparison, std::chrono::milliseconds(0)).body);
  EXPECT_EQ(many["differences"].size(), 1000u);
  EXPECT_EQ(many["more_differences"], 234);
}

TEST(ControlApiTest, AnEventHasItsTimeAndItsFields) {
  using namespace std::chrono;
  const log::Event event{.time = sys_days(2026y / November / 30) + hours(2) + milliseconds(7),
                         .level = log::Level::warning,
                         .message = "store away",
                         .fields = {{"why", "\xff\x1b[2J"}}};
  const std::string body = control::events_answer({event}).body;
  EXPECT_EQ(body.find('\x1b'), std::string::npos);
  const auto json = Json::parse(body);
  EXPECT_EQ(json["events"][0]["time"], "2026-11-30T02:00:00.007Z");
  EXPECT_EQ(json["events"][0]["level"], "warning");
  EXPECT_EQ(json["events"][0]["message"], "store away");
  EXPECT_TRUE(json["events"][0]["fields"]["why"].get<std::string>().ends_with("\x1b[2J"));
}

TEST(ControlApiTest, ALogLevelIsAWholeNumber) {
  EXPECT_EQ(control::read_log_level(R"({"v":2})").value(), 2);
  EXPECT_EQ(control::read_log_level(R"( {"v": 10} )").value(), 10);
  for (const char* bad : {"", "2", "[]", "{}", R"({"v":-1})", R"({"v":11})", R"({"v":1.5})",
                          R"({"v":"2"})", R"({"v":2,"x":1})", R"({"v":99999999999999999999})"})
    EXPECT_FALSE(control::read_log_level(bad)) << bad;
}

TEST(ControlApiTest, ChecksumsAreFilledInByTheKernelOrNot) {
  EXPECT_TRUE(control::read_checksums(R"({"software":true})").value());
  EXPECT_FALSE(control::read_checksums(R"({"software":false})").value());
  for (const char* bad : {"", "true", "{}", R"({"software":1})", R"({"software":true,"x":1})"})
    EXPECT_FALSE(control::read_checksums(bad)) << bad;
  const auto json = Json::parse(control::checksums_answer(true, {"flannel.1"}).body);
  EXPECT_EQ(json["software"], true);
  EXPECT_EQ(json["devices"].dump(), R"(["flannel.1"])");
}

}  // namespace
}  // namespace flannel::control_api_test
