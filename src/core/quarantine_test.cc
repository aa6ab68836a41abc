// SPDX-License-Identifier: Apache-2.0
#include "core/quarantine.h"

#include <gtest/gtest.h>

namespace flannel::quarantine_test {
namespace {

QuarantinedRecord bad(const std::string& key, Revision at = 1,
                      QuarantineKind kind = QuarantineKind::unreadable) {
  return {key, "no subnet key", at, kind};
}

std::string keys(const Quarantine& quarantine) {
  std::string text;
  for (const auto& [key, record] : quarantine.named())
    text += key + " ";
  return text;
}

TEST(QuarantineTest, NamesAFewAndCountsTheRestWhateverComesAndGoes) {
  Quarantine quarantine(2);
  for (const char* key : {"a", "b", "c", "d", "c"})
    quarantine.put(bad(key));
  EXPECT_EQ(keys(quarantine), "a b ");
  EXPECT_EQ(quarantine.unnamed(), 2U);

  quarantine.erase("c");
  quarantine.erase("never there");
  EXPECT_EQ(quarantine.unnamed(), 1U);
  quarantine.erase("a");
  EXPECT_EQ(keys(quarantine), "b ");
  quarantine.put(bad("d", 2));
  EXPECT_EQ(keys(quarantine), "b d ") << "there is room for it now";
  EXPECT_EQ(quarantine.unnamed(), 0U);
}

TEST(QuarantineTest, ManyOfOneKindHideNoneOfAnother) {
  Quarantine quarantine(2);
  for (const char* key : {"a", "b", "c", "d"})
    quarantine.put(bad(key));
  quarantine.put(bad("10.5.1.0-24", 1, QuarantineKind::our_ip_by_other_node));
  EXPECT_EQ(keys(quarantine), "10.5.1.0-24 a b ");
  quarantine.put(bad("a", 2, QuarantineKind::outranked));
  quarantine.put(bad("c", 2));
  EXPECT_EQ(keys(quarantine), "10.5.1.0-24 a b c ") << "one of the first kind has become another";
}

TEST(QuarantineTest, ANewListNamesWhatHadANameBefore) {
  Quarantine quarantine(2);
  for (const char* key : {"x", "y", "z"})
    quarantine.put(bad(key));
  quarantine.begin_list();
  for (const char* key : {"a", "b", "x", "z"})
    quarantine.put(bad(key));
  quarantine.end_list();
  EXPECT_EQ(keys(quarantine), "x ") << "y's place is free from here on";
  EXPECT_EQ(quarantine.unnamed(), 3U);
  quarantine.put(bad("a", 2));
  EXPECT_EQ(keys(quarantine), "a x ");
  EXPECT_EQ(quarantine.unnamed(), 2U);
}

TEST(QuarantineTest, ARecordThatIsNoLongerNamedIsCounted) {
  Quarantine quarantine(1);
  quarantine.put(bad("a"));
  quarantine.put(bad("b", 1, QuarantineKind::unusable));
  quarantine.begin_list();
  quarantine.put(bad("a", 2, QuarantineKind::unusable));
  quarantine.put(bad("b", 1, QuarantineKind::unusable));
  quarantine.end_list();
  EXPECT_EQ(keys(quarantine), "b ");
  EXPECT_EQ(quarantine.unnamed(), 1U);
}

TEST(QuarantineTest, EachChangeHasAnotherVersion) {
  Quarantine quarantine(1);
  auto version = quarantine.version();
  const auto changed = [&] { return std::exchange(version, quarantine.version()) != version; };
  quarantine.put(bad("a"));
  EXPECT_TRUE(changed());
  quarantine.put(bad("a"));
  EXPECT_FALSE(changed());
  quarantine.put(bad("b"));
  EXPECT_TRUE(changed()) << "of the number, too";
  quarantine.erase("b");
  EXPECT_TRUE(changed());
  quarantine.erase("b");
  EXPECT_FALSE(changed());
}

}  // namespace
}  // namespace flannel::quarantine_test
