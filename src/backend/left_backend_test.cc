// SPDX-License-Identifier: Apache-2.0
#include "backend/left_backend.h"

#include <gtest/gtest.h>

namespace flannel::left_backend_test {
namespace {

VxlanSettings vxlan(const IpAddress& local, std::uint8_t last_of_mac) {
  return {.vni = 7, .port = 8473, .local = local, .mac = {{2, 0, 0, 0, 0, last_of_mac}}};
}

TEST(LeftBackendTest, AVxlanDeviceNamesVniAndPort) {
  EXPECT_EQ(to_string(backend_of(LinkSettings(vxlan(IpAddress::v4(192, 0, 2, 1), 1)))),
            "vxlan (VNI 7, Port 8473)");
  EXPECT_EQ(backend_of(LinkSettings(TunSettings{})), AnnouncedBackend{.type = "udp"});
  EXPECT_EQ(backend_of(LinkSettings(IpipSettings{})), AnnouncedBackend{.type = "ipip"});
  EXPECT_EQ(backend_of(LinkSettings(WireguardSettings{})), AnnouncedBackend{.type = "wireguard"});
}

TEST(LeftBackendTest, TheDevicesOfBothFamiliesAreOneLease) {
  LeaseAttributes lease;
  announce(vxlan(IpAddress::v4(192, 0, 2, 1), 1), lease);
  announce(vxlan(IpAddress::parse("2001:db8::1").value(), 2), lease);
  EXPECT_EQ(lease.backend_type, "vxlan");
  EXPECT_EQ(lease.backend_data, R"({"VNI":7,"VtepMAC":"02:00:00:00:00:01"})");
  EXPECT_EQ(lease.backend_v6_data, R"({"VNI":7,"VtepMAC":"02:00:00:00:00:02"})");
}

TEST(LeftBackendTest, ATunDeviceHasALeaseWithoutTypeAndData) {
  LeaseAttributes lease;
  announce(TunSettings{}, lease);
  EXPECT_EQ(lease.backend, AnnouncedBackend{.type = "udp"});
  EXPECT_EQ(lease.backend_type + lease.backend_data, "");
}

TEST(LeftBackendTest, AnIpipDeviceHasALeaseWithATypeAndWithoutData) {
  LeaseAttributes lease;
  announce(IpipSettings{.local = IpAddress::v4(192, 0, 2, 1)}, lease);
  EXPECT_EQ(lease.backend, AnnouncedBackend{.type = "ipip"});
  EXPECT_EQ(lease.backend_type + lease.backend_data, "ipip");
}

}  // namespace
}  // namespace flannel::left_backend_test
