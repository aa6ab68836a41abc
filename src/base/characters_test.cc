// SPDX-License-Identifier: Apache-2.0
#include "base/characters.h"

#include <gtest/gtest.h>

namespace flannel::characters_test {
namespace {

TEST(CharactersTest, NamesWhatAnOperatorCannotSee) {
  EXPECT_EQ(name_of_first("\u2013-iface"), "an en dash (U+2013)");
  EXPECT_EQ(name_of_first("\u2212"), "a minus sign (U+2212)");
  EXPECT_EQ(name_of_first("\u201cvxlan\u201d"), "a typographic quote (U+201C)");
  EXPECT_EQ(name_of_first("\u00a0"), "a no-break space (U+00A0)");
  EXPECT_EQ(name_of_first("\ufeff"), "an invisible byte order mark (U+FEFF)");
  EXPECT_EQ(name_of_first("\n"), "a line break");
  EXPECT_EQ(name_of_first("\x1b[2J"), "a control character (U+001B)");
  EXPECT_EQ(name_of_first("\u009b2J"), "a control character (U+009B)");
}

TEST(CharactersTest, ShowsWhatCanBeSeen) {
  EXPECT_EQ(name_of_first("}x"), "'}'");
  EXPECT_EQ(name_of_first("'"), "a single quote (')");
  EXPECT_EQ(name_of_first("éa"), "'é' (U+00E9)");
  EXPECT_EQ(name_of_first("😀"), "'😀' (U+1F600)");
  EXPECT_EQ(name_of_first(""), "nothing, it is the end");
}

TEST(CharactersTest, BytesThatAreNoCharacterAreNamedAlone) {
  for (const char* text : {"\xff"
                           "a",
                           "\x80", "\xc3", "\xe2\x80",
                           "\xe2"
                           "ab",
                           "\xc0\xaf", "\xf5\x80\x80\x80"}) {
    EXPECT_EQ(first_character(text).size(), 1U) << text;
    EXPECT_NE(name_of_first(text).find("no UTF-8"), std::string::npos) << text;
  }
}

TEST(CharactersTest, KnowsWhatWasMeant) {
  EXPECT_EQ(lookalike("\u2014x").value().meant, '-');
  EXPECT_EQ(lookalike("\u201e").value().meant, '"');
  EXPECT_EQ(lookalike("\u2019").value().meant, '\'');
  EXPECT_EQ(lookalike("\u202f").value().meant, ' ');
  EXPECT_FALSE(lookalike("-"));
  EXPECT_FALSE(lookalike("é"));
  EXPECT_FALSE(lookalike(""));
}

}  // namespace
}  // namespace flannel::characters_test
