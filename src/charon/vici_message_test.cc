// SPDX-License-Identifier: Apache-2.0
#include "charon/vici_message.h"

#include <gtest/gtest.h>

namespace flannel::vici_message_test {
namespace {

using namespace std::string_literals;

ViciPacket example() {
  ViciPacket packet{.type = ViciPacket::Type::request, .name = "load-conn"};
  packet.content.values = {{"key1", "value1"}};
  packet.content.sections = {{"section1",
                              {.values = {},
                               .lists = {{"list1", {"item1", "item2"}}},
                               .sections = {{"sub-section", {.values = {{"key2", "value2"}}}}}}}};
  return packet;
}

std::string without_length(const std::string& bytes) {
  return bytes.substr(4);
}

TEST(ViciMessageTest, APacketHasTheBytesOfTheDocumentation) {
  EXPECT_EQ(encode_vici(example()),
            "\0\0\0\x58\0\x09load-conn"
            "\3\4key1\0\6value1"
            "\1\x08section1"
            "\4\5list1\5\0\5item1\5\0\5item2\6"
            "\1\x0Bsub-section\3\4key2\0\6value2\2"
            "\2"s);
}

TEST(ViciMessageTest, APacketIsReadAsItWasWritten) {
  const auto read = decode_vici(without_length(encode_vici(example())));
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_EQ(*read, example());
  EXPECT_EQ(read->content.value("key1"), "value1");
  EXPECT_EQ(read->content.value("key2"), std::nullopt);
  const ViciSection* section = read->content.section("section1");
  ASSERT_NE(section, nullptr);
  EXPECT_EQ(section->list("list1")->size(), 2U);
  EXPECT_EQ(section->section("list1"), nullptr);
}

TEST(ViciMessageTest, AnAnswerHasNoName) {
  const ViciPacket answer{
      .type = ViciPacket::Type::response, .name = {}, .content = {.values = {{"success", "yes"}}}};
  EXPECT_EQ(decode_vici(without_length(encode_vici(answer))).value(), answer);
}

TEST(ViciMessageTest, ACutPacketIsRefusedOrHasLess) {
  const std::string whole = without_length(encode_vici(example()));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto read = decode_vici(std::string_view(whole).substr(0, size));
    if (read) {
      EXPECT_NE(*read, example()) << size;
    }
  }
}

TEST(ViciMessageTest, WhatHasNoPlaceIsRefused) {
  const auto refuses = [](const std::string& bytes) { return !decode_vici(bytes); };
  EXPECT_TRUE(refuses("\x08"s)) << "an unknown type";
  EXPECT_TRUE(refuses("\1\2"s)) << "the end of a section that did not begin";
  EXPECT_TRUE(refuses("\1\5\0\1x"s)) << "an item without a list";
  EXPECT_TRUE(refuses("\1\4\1l\3\1k\0\1v\6"s)) << "a value in a list";
  EXPECT_TRUE(refuses("\1\1\1s"s)) << "a section without an end";
  std::string deep = "\1";
  for (int i = 0; i < 100000; ++i)
    deep += "\1\1s";
  EXPECT_TRUE(refuses(deep));
}

TEST(ViciMessageTest, PacketsAreTakenFromAStream) {
  std::string stream = encode_vici(example()) + encode_vici(example());
  const std::string rest = stream.substr(stream.size() - 3);
  stream.resize(stream.size() - 3);
  EXPECT_EQ(decode_vici(take_vici(stream).value().value()).value(), example());
  EXPECT_EQ(take_vici(stream).value(), std::nullopt);
  stream += rest;
  EXPECT_EQ(decode_vici(take_vici(stream).value().value()).value(), example());
  EXPECT_EQ(stream, "");
  std::string endless = "\xFF\xFF\xFF\xFF";
  EXPECT_FALSE(take_vici(endless));
}

}  // namespace
}  // namespace flannel::vici_message_test
