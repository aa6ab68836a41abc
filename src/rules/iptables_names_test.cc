// SPDX-License-Identifier: Apache-2.0
#include "rules/iptables_names.h"

#include <gtest/gtest.h>

namespace flannel::iptables_names_test {
namespace {

TEST(IptablesNamesTest, NamesThatNeedItAreQuotedAndNothingElseChanges) {
  const struct {
    const char* saved;
    const char* restored;
  } rules[] = {
      {R"(-i eth0 -j DROP)", R"(-i eth0 -j DROP)"},
      {R"(-i e"x -j DROP)", R"(-i "e\"x" -j DROP)"},
      {R"(! -o e\x -j DROP)", R"(! -o "e\\x" -j DROP)"},
      {R"(-i "e" -o \ -j DROP)", R"(-i "\"e\"" -o "\\" -j DROP)"},
      {R"(-i " -m comment --comment "a b" -j DROP)",
       R"(-i "\"" -m comment --comment "a b" -j DROP)"},
      {R"(-i -i -o -o -m comment --comment "x")", R"(-i -i -o -o -m comment --comment "x")"},
      {R"(-m comment --comment "-i \" e\"x -o" -i e"x)",
       R"(-m comment --comment "-i \" e\"x -o" -i "e\"x")"},
      {R"(-s 10.0.0.0/8 -i e*'#é -m comment --comment "x" -j A)",
       R"(-s 10.0.0.0/8 -i e*'#é -m comment --comment "x" -j A)"},
      {R"(-m comment --comment "no end -i e"x)", R"(-m comment --comment "no end -i e"x)"},
      {R"(-i e"x)", R"(-i "e\"x")"},
      {"-i", "-i"},
      {R"("\)", R"("\)"},
      {"", ""},
  };
  for (const auto& rule : rules)
    EXPECT_EQ(restorable(rule.saved), rule.restored);
}

TEST(IptablesNamesTest, APlusAtTheEndCannotBeMatched) {
  EXPECT_FALSE(iptables_can_match("eth+"));
  EXPECT_FALSE(iptables_can_match("+"));
  EXPECT_TRUE(iptables_can_match("e+h"));
  EXPECT_TRUE(iptables_can_match("eth*"));
}

}  // namespace
}  // namespace flannel::iptables_names_test
