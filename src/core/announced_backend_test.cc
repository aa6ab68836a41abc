// SPDX-License-Identifier: Apache-2.0
#include "core/announced_backend.h"

#include <gtest/gtest.h>

namespace flannel::announced_backend_test {
namespace {

NetworkConfig config(const std::string& backend) {
  const std::string member = backend.empty() ? "" : R"(,"Backend":)" + backend;
  return parse_network_config(R"({"Network":"10.5.0.0/16")" + member + "}").value().config;
}

LeaseAttributes lease(const std::string& members) {
  return decode_lease_value(R"({"PublicIP":"192.0.2.1")" + members + "}").value();
}

TEST(AnnouncedBackend, IsTheTypeAndWhatHostsMustAgreeOn) {
  const auto text = [](const std::string& backend) {
    return to_string(configured_backend(config(backend)));
  };
  EXPECT_EQ(text(""), "udp (Port 8285)");
  EXPECT_EQ(text(R"({"Type":"udp","Port":0})"), "udp (Port 8285)");
  EXPECT_EQ(text(R"({"Type":"UDP","port":9000,"Queues":2})"), "udp (Port 9000)");
  EXPECT_EQ(text(R"({"Type":"vxlan"})"), "vxlan (VNI 1, Port 8472)");
  EXPECT_EQ(text(R"({"type":"VXLAN","vni":7,"PORT":4789,"MTU":1400})"), "vxlan (VNI 7, Port 4789)");
  EXPECT_EQ(text(R"({"Type":"vxlan","VNI":7,"VNI":null,"Port":0})"), "vxlan (VNI 7, Port 8472)")
      << "null leaves the value, as in Go";
  EXPECT_EQ(text(R"({"Type":"vxlan","VNI":-1,"Port":"4789"})"), "vxlan (VNI 1, Port 8472)")
      << "what the backend refuses";
  EXPECT_EQ(text(R"({"Type":"host-gw","VNI":7,"Port":1})"), "host-gw");
  EXPECT_EQ(text(R"({"Type":"alloc"})"), "alloc");
}

TEST(AnnouncedBackend, OfAPeerHasTheOtherOptionsOfOurs) {
  const auto options = [](const std::string& ours, const AnnouncedBackend& theirs) {
    return with_backend(config(ours), theirs).backend_options;
  };
  const AnnouncedBackend theirs{.type = "vxlan", .vni = 7, .port = 4789};
  EXPECT_EQ(
      options(R"({"Type":"vxlan","VNI":1,"gbp":true,"MTU":1400,"Learning":false,"X":1})", theirs),
      R"({"Type":"vxlan","VNI":7,"Port":4789,"MTU":1400,"GBP":true})");
  EXPECT_EQ(options(R"({"Type":"udp","Queues":2})", theirs),
            R"({"Type":"vxlan","VNI":7,"Port":4789})");
  EXPECT_EQ(options(R"({"Type":"udp","Queues":2,"Persistent":false})", {.type = "udp", .port = 9}),
            R"({"Type":"udp","Port":9,"Persistent":false,"Queues":2})");
}

struct Announced {
  const char* backend;
  const char* lease;
  bool expected;
};

TEST(AnnouncedBackend, ALeaseAnnouncesItByItsTypeAndVni) {
  const Announced cases[] = {
      {R"({"Type":"vxlan"})", R"(,"BackendType":"vxlan","BackendData":{"VNI":1})", true},
      {R"({"Type":"vxlan","Port":4789})", R"(,"BackendType":"vxlan","BackendData":{"VNI":1})",
       true},
      {R"({"Type":"vxlan","VNI":2})", R"(,"BackendType":"vxlan","BackendData":{"VNI":1})", false},
      {R"({"Type":"vxlan","VNI":2})", R"(,"BackendType":"vxlan","BackendV6Data":{"VNI":2})", true},
      {R"({"Type":"vxlan","VNI":2})", R"(,"BackendType":"vxlan","BackendV6Data":{"VNI":1})", false},
      {R"({"Type":"vxlan","VNI":2})", R"(,"BackendType":"vxlan","BackendData":{})", true},
      {R"({"Type":"vxlan"})", R"(,"BackendType":"host-gw")", false},
      {R"({"Type":"vxlan"})", "", false},
      {R"({"Type":"host-gw"})", R"(,"BackendType":"host-gw")", true},
      {R"({"Type":"host-gw"})", R"(,"BackendType":"vxlan","BackendData":{"VNI":1})", false},
      {R"({"Type":"host-gw"})", "", false},
      {R"({"Type":"udp","Port":9000})", "", true},
      {R"({"Type":"udp","Port":9000})", R"(,"Backend":{"Type":"udp","Port":9000})", true},
      {R"({"Type":"udp","Port":9000})", R"(,"Backend":{"Type":"udp","Port":8285})", false},
      {R"({"Type":"udp"})", R"(,"Backend":{"Type":"alloc"})", false},
      {R"({"Type":"alloc"})", "", true},
      {R"({"Type":"udp"})", R"(,"BackendType":"host-gw")", false},
      {R"({"Type":"alloc"})", R"(,"BackendType":"vxlan","BackendData":{"VNI":1})", false}};
  for (const auto& [backend, members, expected] : cases) {
    EXPECT_EQ(announces(lease(members), config(backend)), expected) << backend << " " << members;
  }
}

TEST(AnnouncedBackend, WhatALeaseLeavesOpenIsAsExpectedOrElseAsByDefault) {
  const auto text = [](const std::string& members, const std::string& expected) {
    return to_string(announced_backend(lease(members), configured_backend(config(expected))));
  };
  EXPECT_EQ(text("", R"({"Type":"udp","Port":9000})"), "udp (Port 9000)");
  EXPECT_EQ(text("", R"({"Type":"alloc"})"), "alloc");
  EXPECT_EQ(text("", R"({"Type":"vxlan","Port":4789})"), "udp (Port 8285)");
  const std::string vxlan = R"(,"BackendType":"vxlan","BackendData":)";
  EXPECT_EQ(text(vxlan + R"({"VNI":7})", R"({"Type":"vxlan","Port":4789})"),
            "vxlan (VNI 7, Port 4789)");
  EXPECT_EQ(text(vxlan + "{}", R"({"Type":"vxlan","VNI":5})"), "vxlan (VNI 5, Port 8472)");
  EXPECT_EQ(text(vxlan + R"({"VNI":7})", R"({"Type":"host-gw"})"), "vxlan (VNI 7, Port 8472)");
  EXPECT_EQ(text(R"(,"BackendType":"ipip")", R"({"Type":"vxlan"})"), "ipip");
}

TEST(AnnouncedBackend, IsReadFromWhatEachReleaseWrites) {
  const auto of = [](const std::string& members) {
    return to_string(
        backend_of(decode_lease_value(R"({"PublicIP":"192.0.2.9")" + members + "}").value()));
  };
  const std::string data =
      R"(,"BackendType":"vxlan","BackendData":{"VNI":7,"VtepMAC":"02:00:00:00:00:09"})";
  EXPECT_EQ(of(""), "");
  EXPECT_EQ(of(R"(,"Backend":{"Type":"udp","Port":8285})"), "udp (Port 8285)");
  EXPECT_EQ(of(data), "vxlan (VNI 7)");
  EXPECT_EQ(of(data + R"(,"Backend":{"Type":"vxlan","VNI":7,"Port":4789})"),
            "vxlan (VNI 7, Port 4789)");
  EXPECT_EQ(of(data + R"(,"Backend":{"Type":"udp","Port":8285})"), "vxlan (VNI 7)")
      << "they disagree";
  EXPECT_EQ(of(R"(,"BackendType":"vxlan","BackendData":7)"), "vxlan");
  EXPECT_EQ(of(R"(,"BackendType":"host-gw")"), "host-gw");
}

TEST(AnnouncedBackend, APeerIsReachedByWhatItAnnouncesAsFarAsItSaysSo) {
  const AnnouncedBackend vxlan{.type = "vxlan", .vni = 1, .port = 8472};
  EXPECT_TRUE(reaches(vxlan, vxlan));
  EXPECT_TRUE(reaches(vxlan, {.type = "vxlan", .vni = 1}));
  EXPECT_TRUE(reaches(vxlan, {.type = "vxlan"}));
  EXPECT_FALSE(reaches(vxlan, {.type = "vxlan", .vni = 2}));
  EXPECT_FALSE(reaches(vxlan, {.type = "vxlan", .vni = 1, .port = 4789}));
  EXPECT_FALSE(reaches(vxlan, {.type = "host-gw"}));
  EXPECT_FALSE(reaches(vxlan, {}));
  EXPECT_TRUE(reaches({.type = "udp", .port = 8285}, {}));
  EXPECT_TRUE(reaches({.type = "alloc"}, {}));
  EXPECT_FALSE(reaches({.type = "udp", .port = 8285}, {.type = "udp", .port = 1}));
}

}  // namespace
}  // namespace flannel::announced_backend_test
