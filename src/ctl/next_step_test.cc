// SPDX-License-Identifier: Apache-2.0
// The messages that name the next step for an operator.
#include "support/ctl_fixture.h"

namespace flannel::next_step_test {
namespace {

TEST_F(CtlTest, AReservationForAHostWithASubnetNamesThatSubnet) {
  ctl({"config", "set", kVxlan});
  lease("10.5.6.0-24", R"({"PublicIP":"192.0.2.7"})");
  lease("10.5.8.0-24", R"({"PublicIP":"192.0.2.8"})");
  EXPECT_EQ(ctl({"reserve", "10.5.52.0/24", "--node=192.0.2.7"}).out,
            "10.5.52.0/24 is reserved for 192.0.2.7\n"
            "192.0.2.7 has a lease on 10.5.6.0/24 and keeps it as long as that lives; 10.5.52.0/24 "
            "is for the time after\n");
  EXPECT_EQ(ctl({"reserve", "10.5.60.0/24", "--node=192.0.2.9"}).out,
            "10.5.60.0/24 is reserved for 192.0.2.9\n");
  EXPECT_EQ(ctl({"reserve", "10.5.61.0/24", "--node=192.0.2.9"}).out,
            "10.5.61.0/24 is reserved for 192.0.2.9\n"
            "192.0.2.9 has a reservation for 10.5.60.0/24 as well, and can use one of them only\n");
}

TEST_F(CtlTest, AConfigurationThatIsNoneOrNoFileHasItsNextStep) {
  for (const char* empty : {"", " "}) {
    EXPECT_EQ(ctl({"config", "set", empty}).err,
              "flannelctl: the configuration is an empty word: give a file, - for standard input, "
              "or the JSON text\n");
  }
  const std::string err = ctl({"config", "set", "Network=10.5.0.0/16"}).err;
  EXPECT_TRUE(err.ends_with("; a word that is to be the JSON text itself begins with {\n")) << err;
  EXPECT_NE(ctl({"config", "check", "-"}, "").err.find("the text is empty"), std::string::npos);
}

TEST_F(CtlTest, AVariableThatResemblesAStoreOptionCausesAWarning) {
  const std::vector<std::string> set = {"FLANNELD_ETCD_ENDPOINT", "FLANNELD_IFACE",
                                        "FLANNELCTL_ETCD_PREFIX", "FLANNEL_SUBNET"};
  const auto run = parse_ctl_command_line(
      std::vector<std::string>{"leases"}, [](const std::string&) -> const char* { return nullptr; },
      set);
  ASSERT_TRUE(run);
  EXPECT_EQ(run->warnings,
            (std::vector<std::string>{
                "FLANNELD_ETCD_ENDPOINT is not read, did you mean FLANNELD_ETCD_ENDPOINTS?",
                "FLANNELCTL_ETCD_PREFIX is not read, did you mean FLANNELD_ETCD_PREFIX?"}));
}

}  // namespace
}  // namespace flannel::next_step_test
