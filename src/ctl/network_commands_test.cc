// SPDX-License-Identifier: Apache-2.0
// network list, create and delete.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/ctl_fixture.h"
#include "support/temporary_folder.h"

namespace flannel::network_commands_test {
namespace {

constexpr const char* kBlue = R"({"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":1}})";
constexpr const char* kGreen =
    R"({"Network":"10.6.0.0/16","Peers":["blue"],"Backend":{"Type":"host-gw"}})";

class NetworkCommandsTest : public CtlTest {
 protected:
  ~NetworkCommandsTest() override {
    for (const char* name : {"/blue", "/green", "/bad"}) {
      const std::string prefix = std::string(kPrefix) + name;
      store->remove_config(prefix);
      for (const Record& record : store->snapshot(prefix).records)
        store->remove(prefix, record.key);
    }
  }

  std::string refusal(const std::string& name, const std::string& config) {
    const Said said = ctl({"network", "create", name, config});
    EXPECT_EQ(said.code, 1) << said.out;
    EXPECT_FALSE(store->snapshot(std::string(kPrefix) + "/" + name).config);
    return said.err;
  }
};

TEST_F(NetworkCommandsTest, EachNetworkHasARow) {
  EXPECT_EQ(ctl({"network", "list"}).out, "NAME  RANGE  BACKEND  LEASES  NOTE\n");
  ctl({"config", "set", R"({"Network":"10.4.0.0/16"})"});
  ASSERT_EQ(ctl({"network", "create", "blue", kBlue}).code, 0);
  ASSERT_EQ(ctl({"network", "create", "green", kGreen}).code, 0);
  store->put(std::string(kPrefix) + "/blue", "10.5.1.0-24", R"({"PublicIP":"192.0.2.1"})");
  EXPECT_EQ(ctl({"network", "list"}).out,
            "NAME    RANGE        BACKEND                   LEASES  NOTE\n"
            "(none)  10.4.0.0/16  udp (Port 8285)           0       -\n"
            "blue    10.5.0.0/16  vxlan (VNI 1, Port 8472)  1       -\n"
            "green   10.6.0.0/16  host-gw                   0       peers blue\n");
  const auto json = nlohmann::json::parse(ctl({"network", "list", "--json"}).out);
  EXPECT_EQ(json["networks"][2]["name"], "green");
  EXPECT_EQ(json["networks"][1]["leases"], 1);
}

TEST_F(NetworkCommandsTest, AWrongConfigurationIsShownAndStopsNoOther) {
  ASSERT_TRUE(store->write_config(std::string(kPrefix) + "/bad", "{", 0));
  const std::string out = ctl({"network", "list"}).out;
  EXPECT_NE(out.find("  wrong: the network config: not JSON"), std::string::npos) << out;
  EXPECT_EQ(ctl({"network", "create", "blue", kBlue}).code, 0);
}

TEST_F(NetworkCommandsTest, ANetworkThatNoHostCouldHaveBesideAnotherIsNotMade) {
  ctl({"network", "create", "blue", kBlue});
  EXPECT_NE(refusal("a", R"({"Network":"10.4.0.0/15"})")
                .find("not made: 10.4.0.0/15 overlaps 10.5.0.0/16, the range of the network blue"),
            std::string::npos);
  EXPECT_NE(refusal("b", R"({"Network":"10.9.0.0/16","Backend":{"Type":"vxlan"}})")
                .find("VNI 1 belongs to the network blue"),
            std::string::npos);
  EXPECT_NE(refusal("c", R"({"Network":"10.9.0.0/16","Backend":{"Type":"udp","Port":8472}})")
                .find("UDP port 8472 belongs to the network blue"),
            std::string::npos);
  EXPECT_NE(
      refusal("d", R"({"Network":"10.9.0.0/99"})").find("not made, the configuration is wrong"),
      std::string::npos);
  const Said again = ctl({"network", "create", "blue", kGreen});
  EXPECT_NE(again.err.find("not made: there is a network blue"), std::string::npos) << again.err;
  EXPECT_EQ(store->snapshot(std::string(kPrefix) + "/blue").config->text, kBlue);
  EXPECT_NE(ctl({"network", "create", "a/b", kGreen}).err.find("is no name of a network"),
            std::string::npos);
}

TEST_F(NetworkCommandsTest, AChangeThatNoHostCouldHaveBesideAnotherIsNotWritten) {
  ctl({"network", "create", "blue", kBlue});
  ctl({"network", "create", "green", kGreen});
  const char* inside = R"({"Network":"10.5.3.0/24","Backend":{"Type":"host-gw"}})";
  const Said refused = ctl({"--network=green", "config", "set", inside});
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.err.find("10.5.3.0/24 overlaps 10.5.0.0/16, the range of the network blue"),
            std::string::npos)
      << refused.err;
  EXPECT_EQ(store->snapshot(std::string(kPrefix) + "/green").config->text, kGreen);
  const char* own = R"({"Network":"10.6.0.0/16","Backend":{"Type":"host-gw"}})";
  EXPECT_EQ(ctl({"--network=green", "config", "set", own}).code, 0);
  EXPECT_EQ(ctl({"--network=green", "--force", "config", "set", inside}).code, 0);
}

TEST_F(NetworkCommandsTest, ANetworkThatHostsUseIsDeletedByForceAlone) {
  EXPECT_NE(ctl({"network", "delete", "blue"}).err.find("there is no network blue"),
            std::string::npos);
  ctl({"network", "create", "blue", kBlue});
  const std::string prefix = std::string(kPrefix) + "/blue";
  store->put(prefix, "10.5.1.0-24", R"({"PublicIP":"192.0.2.1"})");
  EXPECT_NE(ctl({"network", "delete", "blue"})
                .err.find("not deleted: it has 1 records of hosts, of which 1 are reservations"),
            std::string::npos);
  EXPECT_TRUE(store->snapshot(prefix).config);
  EXPECT_EQ(ctl({"network", "delete", "blue", "--force"}).code, 0);
  EXPECT_FALSE(store->snapshot(prefix).config);
}

TEST_F(NetworkCommandsTest, TheFirstNetworkMakesTheFileOfTheStore) {
  const TemporaryFolder folder;
  const Words words = {"--store=sqlite:" + folder.path() + "/flannel.db", "network", "create",
                       "blue", kBlue};
  std::istringstream in;
  std::ostringstream out, err;
  EXPECT_EQ(run_ctl(words, no_environment, {in, out, err}), 0) << err.str();
}

TEST_F(NetworkCommandsTest, OtherCommandsAreAboutTheNetworkThatIsNamed) {
  ctl({"network", "create", "blue", kBlue});
  EXPECT_EQ(ctl({"--network=blue", "config", "get"}).out, std::string(kBlue) + "\n");
  EXPECT_EQ(ctl({"config", "get"}).code, 1);
  EXPECT_EQ(ctl({"--network=a/b", "config", "get"}).code, 2);
  EXPECT_NE(ctl({"--network=blue", "network", "list"}).err.find("means nothing"),
            std::string::npos);
}

}  // namespace
}  // namespace flannel::network_commands_test
