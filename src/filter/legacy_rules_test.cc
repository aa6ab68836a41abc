// SPDX-License-Identifier: Apache-2.0
#include "filter/legacy_rules.h"

#include <gtest/gtest.h>

#include "support/fresh_netns.h"
#include "support/in_family.h"

namespace flannel::legacy_rules_test {
namespace {

class LegacyRulesTest : public InFamily<NetnsTest> {
 protected:
  // Whether the command changed the rules.
  bool changes(const std::string& command) const {
    const auto before = legacy_rules_fingerprint(family()).value();
    shell(text(command));
    return legacy_rules_fingerprint(family()).value() != before;
  }
};

INSTANTIATE_TEST_SUITE_P(Both, LegacyRulesTest, kBothFamilies, family_name);

TEST_P(LegacyRulesTest, ReadingMakesNoTable) {
  EXPECT_FALSE(legacy_tables_exist(family()));
  EXPECT_TRUE(legacy_rules_fingerprint(family()));
  EXPECT_FALSE(legacy_tables_exist(family()));
}

TEST_P(LegacyRulesTest, EveryChangeOfARuleIsSeen) {
  EXPECT_TRUE(changes("iptables-legacy -P FORWARD DROP"));
  EXPECT_TRUE(legacy_tables_exist(family()));
  EXPECT_TRUE(changes("iptables-legacy -A FORWARD -s 10.5.0.0/16 -j ACCEPT"));
  EXPECT_TRUE(changes("iptables-legacy -R FORWARD 1 -s 10.6.0.0/16 -j ACCEPT"));
  EXPECT_TRUE(changes("iptables-legacy -t raw -A PREROUTING -i eth0 -j ACCEPT"));
  EXPECT_TRUE(changes("iptables-legacy -t mangle -A FORWARD -j DROP"));
  EXPECT_TRUE(changes("iptables-legacy -t nat -A POSTROUTING -j MASQUERADE"));
  EXPECT_TRUE(changes("iptables-legacy -F FORWARD"));
}

TEST_P(LegacyRulesTest, PacketsAndOtherTablesAreNoChange) {
  shell("ip link set lo up");
  const std::string loopback = family() == Family::v4 ? "127.0.0.1" : "::1";
  shell(text("iptables-legacy -A OUTPUT -j ACCEPT -d ") + loopback);
  EXPECT_FALSE(changes("ping -qc1 " + loopback));
  EXPECT_NE(shell(text("iptables-legacy-save -c")).find("[2:"), std::string::npos)
      << "packets did pass";
  EXPECT_FALSE(changes("iptables-legacy -t security -A OUTPUT -j ACCEPT"));
}

}  // namespace
}  // namespace flannel::legacy_rules_test
