// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "ctl/doctor.h"
#include "support/temporary_folder.h"

namespace flannel::doctor_managers_test {
namespace {

class DoctorManagersTest : public ::testing::Test {
 protected:
  DoctorManagersTest() {
    daemon.own = {IpPrefix::parse("10.5.1.0/24").value()};
    add(2, "eth0", "192.0.2.1");
    add(3, "flannel.1", "10.5.1.0");
    add(4, "docker0", "10.5.1.1");
    add(5, "fl2.1", "10.5.1.0");
    add(6, "floppy", "198.51.100.1");
  }
  void add(int index, const std::string& name, const char* ip) {
    Interface one{.index = index, .name = name, .up = true, .addresses = {}};
    one.addresses.push_back({.ip = IpAddress::parse(ip).value(), .bits = 24});
    host.interfaces.push_back(std::move(one));
  }
  void write(const std::string& file, const std::string& text) const {
    const std::filesystem::path path = folder.path() + "/run/" + file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  // The lines of all checks, findings with "!".
  std::string said() const {
    doctor::Checks checks;
    doctor::check_managers(folder.path(), daemon, host, checks);
    std::string text;
    for (const auto& check : checks) {
      const bool wrong = check.verdict == doctor::Verdict::wrong;
      text += (wrong ? "! " : "") + check.text + (wrong ? "; " + check.remedy : "") + "\n";
    }
    return text;
  }
  static constexpr const char* kNothing =
      "no program that configures networks has taken the overlay's devices\n";

  TemporaryFolder folder;
  DaemonView daemon;
  HostView host;
};

TEST_F(DoctorManagersTest, WithoutSuchAProgramNothingIsWrong) {
  EXPECT_EQ(said(), kNothing);
}

TEST_F(DoctorManagersTest, AFileOfNetworkdThatTakesADeviceIsNamed) {
  write("systemd/netif/links/3",
        "# This is private data. Do not parse.\nADMIN_STATE=configured\nOPER_STATE=carrier\n"
        "NETWORK_FILE=/etc/systemd/network/99-all.network\nDNS=\n");
  EXPECT_EQ(said(),
            "! systemd-networkd configures flannel.1 by /etc/systemd/network/99-all.network, and "
            "removes addresses and routes of others from it when it starts; write "
            "/etc/systemd/network/10-flannel.1.network with the lines [Match], Name=flannel.1, "
            "[Link], Unmanaged=yes, and then: networkctl reload\n");
}

TEST_F(DoctorManagersTest, TheBridgeAndSecondDevicesCountAndOthersDoNot) {
  const std::string managed = "ADMIN_STATE=configuring\nNETWORK_FILE=/x\n";
  for (const int index : {2, 4, 5, 6})
    write("systemd/netif/links/" + std::to_string(index), managed);
  const std::string text = said();
  EXPECT_NE(text.find("configures docker0 by"), std::string::npos) << text;
  EXPECT_NE(text.find("configures fl2.1 by"), std::string::npos) << text;
  EXPECT_EQ(text.find("eth0"), std::string::npos) << text;
  EXPECT_EQ(text.find("floppy"), std::string::npos) << text;
}

TEST_F(DoctorManagersTest, AnUnmanagedDeviceIsWell) {
  write("systemd/netif/links/3", "ADMIN_STATE=unmanaged\nOPER_STATE=routable\n");
  write("systemd/netif/links/4", "ADMIN_STATE=unmanaged\nNETWORK_FILE=/x/70-flannel.network\n");
  write("NetworkManager/devices/3", "[device]\nmanaged=false\n");
  EXPECT_EQ(said(), kNothing);
}

TEST_F(DoctorManagersTest, NetworkManagersWatchIsANote) {
  write("NetworkManager/devices/4", "[device]\nmanaged=true\nnm-owned=false\n");
  EXPECT_TRUE(said().starts_with("NetworkManager counts docker0 among its devices")) << said();
}

TEST_F(DoctorManagersTest, AnyTextIsBorne) {
  for (const char* text : {"", "=", "NETWORK_FILE", "NETWORK_FILE=", "\n\n=\n"}) {
    write("systemd/netif/links/3", text);
    EXPECT_EQ(said(), kNothing) << text;
  }
  write("systemd/netif/links/3", std::string(100'000, 'N'));
  EXPECT_EQ(said(), kNothing);
  write("systemd/netif/links/3", "NETWORK_FILE=/a\x1b[2J\n");
  EXPECT_EQ(said().find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace flannel::doctor_managers_test
