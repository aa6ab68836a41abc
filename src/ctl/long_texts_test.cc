// SPDX-License-Identifier: Apache-2.0
// What flannelctl makes of records whose texts are long, or play with terminals.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/parse.h"
#include "ctl/command_line.h"
#include "ctl/text_table.h"
#include "registry/memory/memory_store.h"

namespace flannel::long_texts_test {
namespace {

constexpr const char* kPrefix = "/coreos.com/network";

std::size_t longest_line(const std::string& text) {
  std::size_t longest = 0;
  for (const std::string_view line : split(text, '\n'))
    longest = std::max(longest, line.size());
  return longest;
}

TEST(TextTableTest, ColumnsAreAsWideAsTheirWidestCell) {
  EXPECT_EQ(text_table({{"A", "B", "C"}, {"long", "", "x\n"}}), "A     B  C\nlong     x\\n\n");
}

TEST(TextTableTest, ALongCellIsCutAndMakesTheOthersNoWider) {
  const std::string table = text_table(
      {{"A", "B"}, {std::string(900000, 'k'), std::string(900000, 'w')}, {"short", "x"}});
  EXPECT_LT(longest_line(table), 500U);
  EXPECT_LT(table.size(), 700U);
  const std::string sentence(200, 's');
  EXPECT_NE(text_table({{"A", sentence}}).find(sentence), std::string::npos);
}

class LongTextsTest : public testing::Test {
 protected:
  ~LongTextsTest() override {
    for (const std::string& key : keys)
      store->remove(kPrefix, key);
  }
  void put(const std::string& key, const std::string& value) {
    store->put(kPrefix, key, value, {}, BootClock::now());
    keys.push_back(key);
  }
  struct Said {
    int code = -1;
    std::string out, err;
  };
  static Said ctl(std::vector<std::string> words) {
    std::istringstream in;
    std::ostringstream out, err;
    words.insert(words.begin(), "--store=memory");
    const int code =
        run_ctl(words, [](const std::string&) -> const char* { return nullptr; }, {in, out, err});
    return {code, out.str(), err.str()};
  }

  std::shared_ptr<MemoryStore> store = MemoryStore::process_wide();
  std::vector<std::string> keys;
};

TEST_F(LongTextsTest, LeasesHaveLinesOfABoundedLength) {
  put("10.5.1.0-24", R"({"PublicIP":"192.0.2.1","BackendType":"vxlan","BackendData":")" +
                         std::string(8000, 'x') + "\"}");
  put("10.5.2.0-24", R"({"PublicIP":"192.0.2.2","BackendType":")" + std::string(8000, 'y') + "\"}");
  put("10.5.3.0-24", R"({"PublicIP":"192.0.2.3"})");
  put("10.5.4.0-24", std::string(1 << 20, 'z'));
  put(std::string(900000, 'k'), "{}");
  for (const char* words : {"leases", "leases --bad"}) {
    std::vector<std::string> each;
    for (const std::string_view word : split(words, ' '))
      each.emplace_back(word);
    const Said said = ctl(each);
    EXPECT_EQ(said.code, 0) << said.err;
    EXPECT_LT(longest_line(said.out), 600U) << said.out;
  }
  EXPECT_LT(ctl({"leases", "--json"}).out.size(), 20000U);
  EXPECT_LT(ctl({"leases", "--bad", "--json"}).out.size(), 2000U);
}

TEST_F(LongTextsTest, AllBadRecordsAreListedHoweverManyThereAre) {
  for (int n = 0; n < 500; ++n)
    put("junk-" + std::to_string(n), "{}");
  EXPECT_EQ(std::ranges::count(ctl({"leases", "--bad"}).out, '\n'), 501);
}

TEST_F(LongTextsTest, WhatIsTooLongForALeaseIsNotOverwritten) {
  put("10.5.4.0-24", std::string(1 << 20, 'z'));
  const Said said = ctl({"unreserve", "10.5.4.0/24"});
  EXPECT_EQ(said.code, 1);
  EXPECT_EQ(said.err, "flannelctl: read 10.5.4.0-24: the lease: 1048576 bytes, more than 8192\n");
}

TEST_F(LongTextsTest, NothingOfARecordPlaysWithTheTerminal) {
  put("\xff\xfe\u202e\x7f", "{}");
  put("10.5.1.0-24", "{\"PublicIP\":\"192.0.2.1\",\"BackendType\":\"\u009b2J\u202e\x7f\"}");
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"leases"}, {"leases", "--json"}, {"leases", "--bad"}, {"leases", "--bad", "--json"}}) {
    const std::string out = ctl(words).out;
    EXPECT_TRUE(std::ranges::all_of(out, [](char c) {
      return (c >= ' ' && c < 0x7f) || c == '\n';
    })) << out;
  }
}

}  // namespace
}  // namespace flannel::long_texts_test
