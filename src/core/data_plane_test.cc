// SPDX-License-Identifier: Apache-2.0
#include "core/data_plane.h"

#include <gtest/gtest.h>

namespace flannel::data_plane_test {
namespace {

NetworkConfig config(const std::string& backend) {
  const std::string member = backend.empty() ? "" : R"(,"Backend":)" + backend;
  return parse_network_config(R"({"Network":"10.5.0.0/16")" + member + "}").value().config;
}

LeaseAttributes lease(const std::string& members) {
  return decode_lease_value(R"({"PublicIP":"192.0.2.1")" + members + "}").value();
}

TEST(DataPlane, IsTheTypeAndWhatHostsMustAgreeOn) {
  const auto text = [](const std::string& backend) {
    return to_string(data_plane_of(config(backend)));
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

struct Announced {
  const char* backend;
  const char* lease;
  bool expected;
};

TEST(DataPlane, ALeaseAnnouncesItByItsTypeAndVni) {
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
      {R"({"Type":"alloc"})", "", true},
      {R"({"Type":"udp"})", R"(,"BackendType":"host-gw")", false},
      {R"({"Type":"alloc"})", R"(,"BackendType":"vxlan","BackendData":{"VNI":1})", false}};
  for (const auto& [backend, members, expected] : cases) {
    EXPECT_EQ(announces(lease(members), config(backend)), expected) << backend << " " << members;
  }
}

TEST(DataPlane, WhatALeaseLeavesOpenIsAsExpectedOrElseAsByDefault) {
  const auto text = [](const std::string& members, const std::string& expected) {
    return to_string(announced_data_plane(lease(members), data_plane_of(config(expected))));
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

}  // namespace
}  // namespace flannel::data_plane_test
