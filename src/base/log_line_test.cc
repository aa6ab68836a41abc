// SPDX-License-Identifier: Apache-2.0
#include "base/log_line.h"

#include <gtest/gtest.h>

#include <string>

namespace flannel::log_line_test {
namespace {

using log::Event;

const Event kLost{
    .time = std::chrono::system_clock::time_point(std::chrono::microseconds(1'700'000'000'000'042)),
    .level = log::Level::warning,
    .message = "peer gone",
    .fields = {{"subnet", "10.5.2.0/24"}, {"why", "it said \"no\"\nand left"}}};

TEST(LogLineTest, ALineOfTextHasTheFieldsAfterTheMessage) {
  EXPECT_EQ(log::text_line(kLost),
            R"(peer gone subnet=10.5.2.0/24 why="it said \"no\"\nand left")");
}

TEST(LogLineTest, ALineForTheStreamHasItsPriority) {
  EXPECT_EQ(log::stream_line(kLost),
            "<4>peer gone subnet=10.5.2.0/24 why=\"it said \\\"no\\\"\\nand left\"\n");
}

TEST(LogLineTest, ALineOfJsonHasTheFieldsAsMembersInUtc) {
  const auto where = std::source_location::current();
  EXPECT_EQ(log::json_line(kLost, where),
            R"({"time":"2023-11-14T22:13:20.000042Z","level":"warning","message":"peer gone",)"
            R"("source":"log_line_test.cc:)" +
                std::to_string(where.line()) +
                R"(","fields":{"subnet":"10.5.2.0/24","why":"it said \"no\"\nand left"}})");
}

TEST(LogLineTest, JsonStaysOneLineOfAsciiWhateverAFieldHas) {
  const Event hostile{.time = {}, .message = "set aside", .fields = {{"key", "\xff\n\u202e\x1b"}}};
  const std::string line = log::json_line(hostile, std::source_location::current());
  EXPECT_NE(line.find(R"("key":"\ufffd\n\u202e\u001b")"), std::string::npos) << line;
}

TEST(LogLineTest, AnEntryOfTheJournalHasAFieldForEachOfOurs) {
  const auto where = std::source_location::current();
  using namespace std::string_literals;
  EXPECT_EQ(log::journal_entry(kLost, where),
            "MESSAGE=peer gone subnet=10.5.2.0/24 why=\"it said \\\"no\\\"\\nand left\"\n"
            "PRIORITY=4\nSYSLOG_IDENTIFIER=flanneld\nCODE_FILE=log_line_test.cc\nCODE_LINE=" +
                std::to_string(where.line()) +
                "\nFLANNEL_SUBNET=10.5.2.0/24\n"
                "FLANNEL_WHY\n\x15\0\0\0\0\0\0\0it said \"no\"\nand left\n"s);
}

TEST(LogLineTest, TheNameOfAFieldOfTheJournalIsMadeToFit) {
  const std::string long_name(100, 'x');
  const Event odd{.time = {}, .message = "m", .fields = {{"a-b.C1", "1"}, {long_name, "2"}}};
  const std::string entry = log::journal_entry(odd, std::source_location::current());
  EXPECT_NE(entry.find("\nFLANNEL_A_B_C1=1\n"), std::string::npos) << entry;
  EXPECT_NE(entry.find("\nFLANNEL_" + std::string(56, 'X') + "=2\n"), std::string::npos) << entry;
}

}  // namespace
}  // namespace flannel::log_line_test
