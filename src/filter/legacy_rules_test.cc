// SPDX-License-Identifier: Apache-2.0
#include "filter/legacy_rules.h"

#include <gtest/gtest.h>

#include "support/fresh_netns.h"

namespace flannel::legacy_rules_test {
namespace {

class LegacyRulesTest : public NetnsTest {
 protected:
  // Whether the command changed the rules.
  static bool changes(const std::string& command) {
    const auto before = legacy_rules_fingerprint().value();
    shell(command);
    return legacy_rules_fingerprint().value() != before;
  }
};

TEST_F(LegacyRulesTest, ReadingMakesNoTable) {
  EXPECT_FALSE(legacy_tables_exist());
  EXPECT_TRUE(legacy_rules_fingerprint());
  EXPECT_FALSE(legacy_tables_exist());
}

TEST_F(LegacyRulesTest, EveryChangeOfARuleIsSeen) {
  EXPECT_TRUE(changes("iptables-legacy -P FORWARD DROP"));
  EXPECT_TRUE(legacy_tables_exist());
  EXPECT_TRUE(changes("iptables-legacy -A FORWARD -s 10.5.0.0/16 -j ACCEPT"));
  EXPECT_TRUE(changes("iptables-legacy -R FORWARD 1 -s 10.6.0.0/16 -j ACCEPT"));
  EXPECT_TRUE(changes("iptables-legacy -t raw -A PREROUTING -i eth0 -j ACCEPT"));
  EXPECT_TRUE(changes("iptables-legacy -t nat -A POSTROUTING -j MASQUERADE"));
  EXPECT_TRUE(changes("iptables-legacy -F FORWARD"));
}

TEST_F(LegacyRulesTest, PacketsAndOtherTablesAreNoChange) {
  shell("iptables-legacy -A OUTPUT -d 127.0.0.1 -j ACCEPT");
  EXPECT_FALSE(changes("ping -qc1 127.0.0.1"));
  EXPECT_NE(shell("iptables-legacy-save -c").find("[2:"), std::string::npos) << "packets did pass";
  EXPECT_FALSE(changes("iptables-legacy -t mangle -A OUTPUT -j ACCEPT"));
}

}  // namespace
}  // namespace flannel::legacy_rules_test
