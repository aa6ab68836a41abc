// SPDX-License-Identifier: Apache-2.0
#include "core/command_record.h"

#include <gtest/gtest.h>

namespace flannel::command_record_test {
namespace {

CommandRecord record() {
  return {.where = "boot 1",
          .commands = {"pre \"x\"\n", "post", "add", "remove", ""},
          .deadline = std::chrono::seconds(7),
          .output = "aa:bb",
          .variables = {"SUBNET=10.5.1.0/24"},
          .peers = {{{.subnet = {IpPrefix::parse_v4("10.5.2.0/24").value(),
                                 IpPrefix::parse_v6("fd00:5:0:2::/64").value()},
                      .variables = {"SUBNET=10.5.2.0/24", "PUBLIC_IP=192.0.2.2"},
                      .input = "a\x01; $(id)"},
                     true}}};
}

TEST(CommandRecordTest, IsReadAsItWasWritten) {
  EXPECT_EQ(decode_command_record(encode_command_record(record())).value(), record());
}

TEST(CommandRecordTest, AnotherReleaseIsNamed) {
  EXPECT_EQ(decode_command_record(R"({"Version":2})").error().text, "another release wrote it");
}

TEST(CommandRecordTest, ATimeoutThatTheOptionCannotHaveIsRefused) {
  for (const char* wrong : {"0", "-7", "3601", "7.5", "99999999999999999999"}) {
    std::string text = encode_command_record(record());
    const std::string right = R"("CommandTimeout": 7)";
    ASSERT_NE(text.find(right), std::string::npos) << text;
    text.replace(text.find(right), right.size(), R"("CommandTimeout": )" + std::string(wrong));
    EXPECT_FALSE(decode_command_record(text)) << text;
  }
}

// Each member is needed, and of its kind.
TEST(CommandRecordTest, DamageIsRefused) {
  const std::string whole = encode_command_record(record());
  for (const char* name : {"Where", "Commands", "Output", "Variables", "Peers", "Subnet", "Input",
                           "Done", "CommandTimeout", "PreStartupCommand", "SubnetRemoveCommand"}) {
    for (const char* other : {"\"Other", "\""}) {
      std::string text = whole;
      const std::string key = std::string("\"") + name + "\":";
      const auto at = text.find(key);
      ASSERT_NE(at, std::string::npos) << key;
      const bool renamed = other[1] != '\0';
      if (renamed) {
        text.replace(at, 1, other);
      } else {
        text.insert(at + key.size(), " {}, \"Before\": ");
      }
      EXPECT_FALSE(decode_command_record(text)) << text;
    }
  }
  for (std::size_t cut = 0; cut + 2 < whole.size(); ++cut)
    EXPECT_FALSE(decode_command_record(whole.substr(0, cut))) << cut;
}

}  // namespace
}  // namespace flannel::command_record_test
