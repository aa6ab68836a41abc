// SPDX-License-Identifier: Apache-2.0
#include "core/record_limits.h"

#include <gtest/gtest.h>

#include "core/lease_table.h"

namespace flannel::record_limits_test {
namespace {

const std::string kKey = "10.5.1.0-24";

std::string value_of(std::size_t size) {
  const std::string empty = R"({"PublicIP":"192.0.2.1","BackendData":""})";
  std::string value = empty;
  return value.insert(value.size() - 2, size - empty.size(), 'x');
}

TEST(RecordLimitsTest, AValueThatNoLeaseHasIsLeftOut) {
  const Record good = within_limits({.key = kKey, .value = value_of(kMaxRecordValue)});
  EXPECT_EQ(good.value.size(), kMaxRecordValue);
  EXPECT_TRUE(decode_lease(good));
  const Record bad = within_limits({.key = kKey, .value = value_of(1 << 20), .revision = 7});
  EXPECT_LT(bad.value.capacity(), 100U);
  EXPECT_EQ(bad.left_out, std::size_t{1 << 20});
  EXPECT_EQ(bad.revision, 7);
  EXPECT_EQ(decode_lease(bad).error().text, "the lease: 1048576 bytes, more than 8192");
  EXPECT_FALSE(decode_lease({.key = kKey, .value = value_of(kMaxRecordValue + 1)}));
}

TEST(RecordLimitsTest, TheValueUnderAKeyThatNamesNoSubnetIsLeftOut) {
  const Record junk = within_limits({.key = "lock", .value = "some text"});
  EXPECT_EQ(junk.value, "");
  EXPECT_EQ(junk.left_out, 9U);
}

TEST(RecordLimitsTest, LongKeysStayDifferentKeys) {
  EXPECT_EQ(key_within_limits(std::string(80, 'k')), std::string(80, 'k'));
  const std::string one = key_within_limits(std::string(900000, 'k'));
  const std::string other = key_within_limits(std::string(900001, 'k'));
  EXPECT_LT(one.size(), 120U);
  EXPECT_NE(one, other);
  EXPECT_EQ(one, key_within_limits(std::string(900000, 'k')));
  EXPECT_TRUE(one.starts_with(std::string(80, 'k') + "...#")) << one;
  EXPECT_NE(key_within_limits(one), one) << "nor can a short key be given the name of a long one";
}

TEST(RecordLimitsTest, TheTableSetsALongRecordAsideAndHoldsNoneOfItsText) {
  LeaseTable table;
  table.apply(RecordPut{within_limits({kKey, value_of(1 << 20), 1, "lease", 1})});
  table.apply(RecordPut{{"10.5.2.0-24", value_of(100), 2, "lease", 2}});
  EXPECT_EQ(table.quarantined().at(kKey).reason, "the lease: 1048576 bytes, more than 8192");
}

// The text of a member is shortened in a reason.
TEST(RecordLimitsTest, ReasonsAreShort) {
  LeaseTable table;
  const std::string long_text(4000, 'x');
  for (const std::string& value : std::vector<std::string>{
           R"({"PublicIP":")" + long_text + "\"}",
           R"({"PublicIP":"192.0.2.1","PublicIPv6":")" + long_text + "\"}",
           R"({"PublicIP":"192.0.2.1","BackendType":[")" + long_text + "\"]}", long_text}) {
    table.apply(RecordPut{within_limits({kKey, value, 1, "lease", 1})});
    EXPECT_LT(table.quarantined().at(kKey).reason.size(), 300U);
  }
  const std::string key = key_within_limits(long_text);
  table.apply(RecordPut{{key, "{}", 1, "lease", 1}});
  EXPECT_LT(table.quarantined().at(key).reason.size(), 300U);
}

}  // namespace
}  // namespace flannel::record_limits_test
