// SPDX-License-Identifier: Apache-2.0
#include "base/environment_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/temporary_folder.h"

namespace flannel::environment_file_test {
namespace {

using Strings = std::vector<std::string>;

// "NAME=value at line" for each variable.
Strings variables_in(std::string_view text) {
  const auto file = parse_environment_file(text, "/etc/default/flanneld");
  if (!file) return {file.error().text};
  Strings found;
  for (const auto& [name, value, line] : file->variables)
    found.push_back(name + "=" + value + " at " + std::to_string(line));
  return found;
}

std::string value_of(std::string_view assigned) {
  const auto file = parse_environment_file("A=" + std::string(assigned) + "\nB=2\n", "file");
  if (!file) return file.error().text;
  return file->find("B") == nullptr ? "B is gone" : file->find("A")->value;
}

TEST(EnvironmentFileTest, ReadsAssignmentsBetweenCommentsAndEmptyLines) {
  EXPECT_EQ(variables_in("# a comment\n\n; another = one\n  FLANNELD_IFACE = eth0 \r\nEMPTY=\n"),
            (Strings{"EMPTY= at 5", "FLANNELD_IFACE=eth0 at 4"}));
  EXPECT_EQ(variables_in(""), Strings{});
  EXPECT_EQ(variables_in("A=1"), Strings{"A=1 at 1"}) << "the last line needs no end";
}

TEST(EnvironmentFileTest, TheLastOfSeveralAssignmentsCounts) {
  EXPECT_EQ(variables_in("A=1\nA=2\n"), Strings{"A=2 at 2"});
}

// Each as systemd 252 reads it.
TEST(EnvironmentFileTest, ValuesAreQuotedAsInSystemd) {
  EXPECT_EQ(value_of(R"("-v=2 --iface=eth0")"), "-v=2 --iface=eth0");
  EXPECT_EQ(value_of(R"('a "b" \c $d')"), R"(a "b" \c $d)");
  EXPECT_EQ(value_of(R"("a \"b\" \\ \$c \d")"), R"(a "b" \ $c \d)");
  EXPECT_EQ(value_of(R"("a" 'b' c)"), "abc");
  EXPECT_EQ(value_of(R"(it's "so")"), R"(it's "so")")
      << "quotes inside of a word stand as they are";
  EXPECT_EQ(value_of("a # no comment"), "a # no comment");
  EXPECT_EQ(value_of("a\\ \\  \t"), "a  ");
  EXPECT_EQ(value_of("a=b"), "a=b");
  EXPECT_EQ(value_of("\"two\nlines\""), "two\nlines");
}

TEST(EnvironmentFileTest, ABackslashJoinsLines) {
  EXPECT_EQ(value_of("http://a:1,\\\nhttp://b:1"), "http://a:1,http://b:1");
  EXPECT_EQ(value_of("\"a\\\nb\""), "ab");
  EXPECT_EQ(variables_in("A=1\\\n2\nB=3\n"), (Strings{"A=12 at 1", "B=3 at 3"}));
  EXPECT_EQ(variables_in("A=1\\"), Strings{"A=1 at 1"});
}

TEST(EnvironmentFileTest, WhatSystemdSkipsIsNamedWithoutItsText) {
  const auto file = parse_environment_file(
      "secret\nexport A=1\n1B=2\n=3\n\xef\xbb\xbf"
      "C=4\nD=5\n",
      "/etc/f");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->skipped,
            (Strings{"/etc/f:1 is not read: it has no =",
                     "/etc/f:2 is not read: what stands before = is no name of a variable",
                     "/etc/f:3 is not read: what stands before = is no name of a variable",
                     "/etc/f:4 is not read: what stands before = is no name of a variable",
                     "/etc/f:5 is not read: what stands before = is no name of a variable"}));
  ASSERT_EQ(file->variables.size(), 1U);
  EXPECT_NE(file->find("D"), nullptr);
  EXPECT_EQ(file->find("A"), nullptr);
}

TEST(EnvironmentFileTest, AQuoteThatDoesNotEndIsAMistakeWithItsLine) {
  for (const char* text :
       {"A=1\nB='secret\nC=3\n", "A=1\nB=\"secret\nC=3\n", "A=\n\nB=\"secret\\"}) {
    const std::string line = text[2] == '1' ? "2" : "3";
    EXPECT_EQ(variables_in(text), Strings{"/etc/default/flanneld:" + line +
                                          ": the quote that begins here does not end"});
  }
}

TEST(EnvironmentFileTest, AZeroByteIsAMistake) {
  EXPECT_EQ(variables_in(std::string_view("A=1\nB=s\0t\n", 10)),
            Strings{"/etc/default/flanneld:2: the value has a zero byte"});
}

TEST(EnvironmentFileTest, AFileIsReadUpToAMegabyte) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/flanneld";
  EXPECT_EQ(read_environment_file(path).error().kind, ErrorKind::not_found);
  std::ofstream(path) << "A=1\n";
  const auto file = read_environment_file(path);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->path, path);
  EXPECT_EQ(file->find("A")->value, "1");
  std::filesystem::resize_file(path, (1 << 20) + 1);
  EXPECT_EQ(read_environment_file(path).error().kind, ErrorKind::invalid);
  EXPECT_FALSE(read_environment_file(folder.path()));
}

}  // namespace
}  // namespace flannel::environment_file_test
