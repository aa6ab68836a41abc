// SPDX-License-Identifier: Apache-2.0
// The commands that ask a daemon, with a server in its place that answers what a test wants.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "ctl/command.h"
#include "ctl/doctor.h"
#include "http/server.h"
#include "support/temporary_folder.h"

namespace flannel::daemon_commands_test {
namespace {

using Json = nlohmann::ordered_json;

class DaemonCommandsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::vector<HttpService> services;
    HttpLimits limits;
    limits.body = 1000;
    services.push_back({listen_unix(options.control_socket, "").value(),
                        [this](const HttpRequest& request, const HttpReply& reply) {
                          asked = request.method + " " + request.path + " " + request.body;
                          reply(answer);
                        },
                        limits});
    server = HttpServer::open(std::move(services)).value();
  }
  // What the command prints; its error, if it fails.
  std::string run(Result<void> (*command)(const CtlOptions&, const Terminal&)) {
    std::istringstream in;
    std::ostringstream out, err;
    const auto done = command(options, {in, out, err});
    return out.str() + (done ? "" : "error: " + done.error().text);
  }

  TemporaryFolder folder;
  CtlOptions options = [this] {
    CtlOptions made;
    made.control_socket = folder.path() + "/flanneld.sock";
    return made;
  }();
  HttpResponse answer{200, R"({"version":1})", "application/json"};
  std::string asked;
  std::unique_ptr<HttpServer> server;
};

TEST_F(DaemonCommandsTest, StatusIsOneScreen) {
  answer.body = R"({"version":1,"release":"v0.1.0","ready":true,"problems":[
      {"code":"ip-forward-off","severity":"error","area":"host","object":"eth0\u001b",
       "text":"it does not forward","remedy":"sysctl -w net.ipv4.ip_forward=1","for_s":75},
      {"code":"x","severity":"notice","area":"store","object":"","text":"slow","remedy":"",
       "for_s":1}],
    "store":{"name":"etcd v3 at http://192.0.2.250:2379","connected":true,"for_s":75},
    "lease":{"subnet":"10.5.1.0/24","public_ip":"192.0.2.1","public_ipv6":null,"phase":"active",
             "reservation":false,"ends_in_s":86000},
    "backend":"vxlan",
    "underlay":{"interface":"eth0","ip":"192.0.2.1","mtu":1500},
    "peers":{"up":3,"silent":1,"suspected":1,"unreachable":{"10.5.9.0/24":"no route"},"more_unreachable":0,
             "quarantined":[],"more_quarantined":3},
    "kernel":{"unmet":{},"more_unmet":0,"full_syncs":1,"changes":9,"corrections":2,"failures":0},
    "docker_pools":[{"subnet":"10.5.1.0/24","gateway":"10.5.1.1","containers":17,"room":253}],
    "packet_path":null})";
  EXPECT_EQ(run(run_status),
            "flanneld  v0.1.0, ready\n"
            "lease     10.5.1.0/24 at 192.0.2.1, ends in 23 h unless it is renewed\n"
            "backend   vxlan\n"
            "underlay  eth0 192.0.2.1, MTU 1500\n"
            "store     etcd v3 at http://192.0.2.250:2379, connected for 75 s\n"
            "peers     2 up, 1 silent, 1 suspected, 1 unreachable, 3 records quarantined\n"
            "kernel    9 changes, 2 repaired, 0 failed; all is as wanted\n"
            "docker    10.5.1.0/24: 17 of 253 addresses for containers are given out\n"
            "problems  error: host, eth0\\x1b (for 75 s)\n"
            "            it does not forward\n"
            "            remedy: sysctl -w net.ipv4.ip_forward=1\n"
            "          notice: store (for 1 s)\n"
            "            slow\n");
}

TEST_F(DaemonCommandsTest, StatusHasWhatOtherHostsSayOfEachOther) {
  answer.body = R"({"version":1,"release":"v0.1.0","ready":true,"problems":[],"rows":[
    {"subnets":["10.5.1.0/24"],"ok":3,"others":{},"more":{}},
    {"subnets":["10.5.2.0/24"],"ok":1,"others":{"one-way":["10.5.3.0/24"],"unreachable":
      ["10.5.4.0/24","10.5.5.0/24","10.5.6.0/24","10.5.7.0/24","10.5.8.0/24","10.5.9.0/24"]},
     "more":{"unreachable":7}}]})";
  const std::string said = run(run_status);
  EXPECT_NE(said.find("others    2 hosts have rows\n"
                      "          10.5.2.0/24: one-way 10.5.3.0/24; unreachable 10.5.4.0/24, "
                      "10.5.5.0/24, 10.5.6.0/24, 10.5.7.0/24, 10.5.8.0/24 and 1 more; unreachable "
                      "7 more\n"),
            std::string::npos)
      << said;
}

TEST_F(DaemonCommandsTest, DoctorLeavesOutWhatARouteThatItNamesExplains) {
  const auto problem = [](const std::string& code, const std::string& object) {
    return R"({"code":")" + code + R"(","severity":"error","area":"peers","object":")" + object +
           R"(","text":")" + code + " " + object + R"(","remedy":"x"})";
  };
  answer.body = R"({"version":1,"release":"v0.1.0","ready":true,"peers":[],"problems":[)" +
                problem("peer-route-taken", "10.5.2.0/25 dev dummy0") + "," +
                problem("peer-one-way", "10.5.2.0/24") + "," +
                problem("peer-silent", "10.5.3.0/24") + "]}";
  options.timeout = std::chrono::milliseconds(500);
  options.store.kind = StoreKind::memory;
  const std::string said = run(run_doctor);
  EXPECT_NE(said.find("peer-route-taken 10.5.2.0/25"), std::string::npos) << said;
  EXPECT_EQ(said.find("peer-one-way"), std::string::npos) << said;
  EXPECT_NE(said.find("peer-silent 10.5.3.0/24"), std::string::npos) << said;
}

TEST_F(DaemonCommandsTest, DoctorFixAsksTheDaemonOnlyForWhatItMends) {
  doctor::Checks checks{{.area = "rules", .text = "none drops"}};
  ASSERT_TRUE(doctor::fix(options, checks));
  EXPECT_EQ(asked, "");
  EXPECT_EQ(checks.back().text, "nothing was changed: --fix mends checksums-broken alone");
  checks.front() = {.verdict = doctor::Verdict::wrong,
                    .area = "peers",
                    .text = "lost",
                    .code = "checksums-broken"};
  answer.body = R"({"version":1,"software":true,"devices":["flannel.1","flannel-v6.1"]})";
  ASSERT_TRUE(doctor::fix(options, checks));
  EXPECT_EQ(Json::parse(asked.substr(asked.find('{'))).dump(), R"({"software":true})");
  EXPECT_TRUE(asked.starts_with("PUT /v1/checksums "));
  EXPECT_TRUE(checks.back().text.starts_with(
      "the kernel fills in the checksums of packets by flannel.1, flannel-v6.1 from now on"))
      << checks.back().text;
  ASSERT_TRUE(doctor::undo_fix(options, checks));
  EXPECT_NE(asked.find("false"), std::string::npos);
  answer = {403, R"({"version":1,"error":"only root may change anything"})", "application/json"};
  EXPECT_FALSE(doctor::undo_fix(options, checks));
}

TEST_F(DaemonCommandsTest, AStatusThatIsNotReadyIsAFailure) {
  answer.body = R"({"version":1,"release":"v0.1.0","ready":false,"problems":[]})";
  const std::string said = run(run_status);
  EXPECT_TRUE(said.starts_with("flanneld  v0.1.0, NOT READY\nlease     none yet\n")) << said;
  EXPECT_TRUE(said.ends_with("problems  none\nerror: flanneld is not ready")) << said;
}

TEST_F(DaemonCommandsTest, PeersAreATable) {
  answer.body = R"j({"version":1,"peers":[
    {"node_id":"0123456789abcdef0123456789abcdef","subnets":["10.5.2.0/24","fd00:5:0:2::/64"],
     "public_ip":"192.0.2.2","public_ipv6":"2001:db8:2::2","backend":"udp","mtu":1450,
     "state":"ok","rtt_us":350,"loss":0.125,"path_mtu":1450,"last_heard_s":3,
     "bytes_sent":1499,"bytes_received":970},
    {"node_id":null,"subnets":["10.5.3.0/24"],"public_ip":"192.0.2.3","public_ipv6":null,
     "backend":"udp","mtu":null,"state":"unreachable","rtt_us":null,"why":"no route"}],
    "quarantined":[{"key":"x","why":"no key"}],"more_quarantined":7})j";
  const std::string heading =
      "NODE      SUBNET                       PUBLIC-IP                BACKEND  MTU   STATE        "
      "RTT      LOSS  PATH-MTU  LAST-HEARD  SENT     RECEIVED  WHY\n";
  const std::string ok =
      "01234567  10.5.2.0/24,fd00:5:0:2::/64  192.0.2.2,2001:db8:2::2  udp      1450  ok           "
      "0.35 ms  12 %  1450      3 s ago     1.50 kB  970 B\n";
  const std::string unreachable =
      "-         10.5.3.0/24                  192.0.2.3                udp      -     unreachable  "
      "-        -     -         -           -        -         no route\n";
  const std::string quarantined =
      "-         x                            -                        -        -     quarantined  "
      "-        -     -         -           -        -         no key\n";
  const std::string more = "7 more records are quarantined; `flannelctl leases --bad` lists them\n";
  EXPECT_EQ(run(run_peers), heading + ok + unreachable + quarantined + more);
  options.sort = "state";
  EXPECT_EQ(run(run_peers), heading + ok + quarantined + unreachable + more);
  options.sort = "rtt";
  EXPECT_EQ(run(run_peers), heading + ok + unreachable + quarantined + more) << "unknown ones last";
  options.state = "none";
  EXPECT_EQ(run(run_peers).find("10.5."), std::string::npos);
  options.sort = "rt";
  EXPECT_TRUE(run(run_peers).starts_with("error: \"rt\" is none of node, subnet, "));
}

TEST_F(DaemonCommandsTest, PeersOfOneStateAreSelected) {
  answer.body = R"j({"version":1,"peers":[{"subnets":["10.5.2.0/24"],"state":"ok"},
    {"subnets":["10.5.3.0/24"],"state":"mtu"}],"quarantined":[],"more_quarantined":0})j";
  options.state = "mtu";
  const std::string said = run(run_peers);
  EXPECT_EQ(said.find("10.5.2.0"), std::string::npos);
  EXPECT_NE(said.find("10.5.3.0"), std::string::npos);
}

TEST_F(DaemonCommandsTest, APingIsALineAndASum) {
  options.words = {"10.5.2.0/24"};
  options.count = 1;
  options.size = 1450;
  answer.body = R"({"version":1,"peer":{"node_id":"0123456789abcdef","subnet":"10.5.2.0/24",
    "public_ip":"192.0.2.2"},"container":null,"mtu":1450,"overlay_us":350,"size_to":1450,
    "size_from":1450,"stopped_at":null})";
  EXPECT_EQ(run(run_ping),
            "ping of 10.5.2.0/24: the host 192.0.2.2 (node 01234567) with 10.5.2.0/24\n"
            "1450 bytes there and 1450 back in 0.35 ms\n"
            "1 sent, 1 answered, 0 % lost; round trip 0.35 ms to 0.35 ms, 0.35 ms on average\n");
  EXPECT_EQ(asked, R"(POST /v1/ping {"target":"10.5.2.0/24","size":1450,"answer_size":1450})");
}

TEST_F(DaemonCommandsTest, APingThatStopsIsAFailureWithItsPlace) {
  options.words = {"10.5.2.10"};
  answer.body = R"({"version":1,"peer":null,"container":"10.5.2.10","container_us":null,
    "overlay_us":5,"stopped_at":"lease","why":"no host has a lease"})";
  EXPECT_EQ(run(run_ping),
            "ping of 10.5.2.10\n"
            "no answer; it stops at the lease: no host has a lease\n"
            "1 sent, 0 answered, 100 % lost\n"
            "error: no answer: no host has a lease")
      << "a second one would stop there, too";
}

TEST_F(DaemonCommandsTest, ASweepFindsWhatPasses) {
  options.words = {"10.5.2.0/24"};
  options.sweep = true;
  answer.body = R"({"version":1,"peer":null,"container":null,"mtu":1450,"overlay_us":350,
    "size_to":60,"size_from":60})";
  EXPECT_EQ(run(run_ping),
            "ping of 10.5.2.0/24\n"
            "packets of up to 1450 bytes pass there, and of up to 1450 back; 1450 are to pass\n");
  options.json = true;
  EXPECT_NE(run(run_ping).find("\"mtu_from\": 1450"), std::string::npos);
}

TEST_F(DaemonCommandsTest, ADiffThatFindsSomethingIsAFailure) {
  answer.body = R"({"version":1,"wanted":9,"age_ms":0,"more_differences":3,"differences":[
    {"sign":"-","object":"route 10.5.2.0/24 dev eth0","why":null},
    {"sign":"+","object":"link flannel.1 vxlan id 1","why":"File exists\u001b"}]})";
  EXPECT_EQ(run(run_diff),
            "- route 10.5.2.0/24 dev eth0\n"
            "+ link flannel.1 vxlan id 1\n"
            "    refused: File exists\\x1b\n"
            "and 3 more\n"
            "error: the kernel differs in 5 objects");
  answer.body = R"({"version":1,"wanted":9,"age_ms":0,"more_differences":0,"differences":[]})";
  EXPECT_EQ(run(run_diff),
            "nothing differs: of flanneld the kernel has the 9 objects that it wants\n");
  EXPECT_EQ(asked, "GET /v1/diff ");
}

TEST_F(DaemonCommandsTest, EventsAreLines) {
  answer.body = R"({"version":1,"events":[{"time":"2026-11-30T02:00:00.007Z","level":"warning",
    "message":"store away","fields":{"why":"a b\u001b"}}]})";
  EXPECT_EQ(run(run_events), "2026-11-30T02:00:00.007Z warning store away why=\"a b\\x1b\"\n");
}

TEST_F(DaemonCommandsTest, TheLogLevelIsShownAndSet) {
  answer.body = R"({"version":1,"v":2})";
  EXPECT_EQ(run(run_log_level), "2\n");
  EXPECT_EQ(asked, "GET /v1/log-level ");
  options.words = {"2"};
  EXPECT_EQ(run(run_log_level), "2\n");
  EXPECT_EQ(asked, "PUT /v1/log-level {\n  \"v\": 2\n}\n");
  asked.clear();
  options.words = {"11"};
  EXPECT_EQ(run(run_log_level), "error: \"11\" is no whole number from 0 to 10");
  EXPECT_EQ(asked, "");
}

TEST_F(DaemonCommandsTest, ARefusalIsSaid) {
  answer = {403, R"({"version":1,"error":"only root may change anything"})"};
  EXPECT_EQ(run(run_peers), "error: ask flanneld GET /v1/peers: only root may change anything");
}

TEST_F(DaemonCommandsTest, AnAnswerOfAnotherReleaseIsNotTaken) {
  for (const char* body : {R"({"version":2})", "[]", "not found", "", R"({"peers":[]})"}) {
    answer.body = body;
    EXPECT_TRUE(
        run(run_peers).starts_with("error: ask flanneld GET /v1/peers: its answer (200) is "
                                   "not of this release"))
        << body;
  }
}

TEST_F(DaemonCommandsTest, WithoutADaemonTheRemedyIsSaid) {
  server.reset();
  const std::string said = run(run_peers);
  EXPECT_TRUE(said.starts_with("error: no flanneld answers on this host: ")) << said;
  EXPECT_NE(said.find("systemctl status flanneld"), std::string::npos);
  EXPECT_NE(said.find("is " + options.control_socket + " its --control-socket?"),
            std::string::npos);
  options.control_socket = folder.path() + "/none.sock";
  EXPECT_TRUE(run(run_status).starts_with("error: no flanneld answers on this host: "));
}

TEST_F(DaemonCommandsTest, ADaemonThatHangsIsNotWaitedForLongerThanTheTimeout) {
  server.reset();
  const Fd deaf = listen_unix(options.control_socket, "").value();
  options.timeout = std::chrono::milliseconds(50);
  EXPECT_NE(run(run_peers).find("no answer within 50 ms (--timeout)"), std::string::npos);
}

}  // namespace
}  // namespace flannel::daemon_commands_test
