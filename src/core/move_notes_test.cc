// SPDX-License-Identifier: Apache-2.0
#include "core/move_notes.h"

#include <gtest/gtest.h>

#include "core/lease.h"
#include "core/network_config.h"

namespace flannel::move_notes_test {
namespace {

const StoreAddress kNew = StoreAddress::parse("etcd3:http://192.0.2.7:2379").value();
const StoreAddress kOld = StoreAddress::parse("etcd2:http://192.0.2.7:2379").value();

TEST(MoveNotesTest, WhatIsWrittenIsReadAgain) {
  const std::string config = R"({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}})";
  const MoveNotes notes{.to = MoveNote{"3f0c", kNew, true}, .from = MoveNote{"77", kOld, false}};
  const auto text = with_move_notes(config, notes);
  ASSERT_TRUE(text) << text.error().text;
  EXPECT_EQ(*text, R"({
  "Network": "10.5.0.0/16",
  "Backend": {"Type":"vxlan"},
  "MovedTo": {"Id": "3f0c", "Store": "etcd3:http://192.0.2.7:2379", "Retired": true},
  "MovedFrom": {"Id": "77", "Store": "etcd2:http://192.0.2.7:2379"}
})");
  EXPECT_EQ(read_move_notes(*text), notes);
}

TEST(MoveNotesTest, NotesAreReplacedAndRemovedAndTheRestStays) {
  const std::string config =
      R"({"movedto":{"Id":"1","Store":"memory:"},"Network":"10.5.0.0/16","X":[1e3, "\u00e9"]})";
  EXPECT_EQ(with_move_notes(config, {}),
            "{\n  \"Network\": \"10.5.0.0/16\",\n  \"X\": [1e3,\"\u00e9\"]\n}");
  EXPECT_EQ(with_move_notes("{}", {}), "{}");
}

TEST(MoveNotesTest, OfTwoMembersWithOneNameNoneIsDropped) {
  const auto written = with_move_notes(R"({"Network":"10.5.0.0/16","network":null})", {});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().text, "Network null in the network config: is there more than once");
}

TEST(MoveNotesTest, ANoteDoesNotChangeTheNetwork) {
  const std::string config = R"({"Network":"10.5.0.0/16"})";
  const auto noted =
      with_move_notes(config, {.to = MoveNote{"1", kNew, false}, .from = {}}).value();
  const auto parsed = parse_network_config(noted);
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(parsed->config, parse_network_config(config)->config);
  EXPECT_TRUE(parsed->warnings.empty()) << parsed->warnings[0];
}

TEST(MoveNotesTest, MistakesNameTheMember) {
  const auto mistake = [](const std::string& note) {
    const auto notes = read_move_notes(R"({"MovedTo":)" + note + "}");
    return notes ? "no mistake" : notes.error().text;
  };
  EXPECT_EQ(mistake("null"), "no mistake");
  EXPECT_EQ(mistake("[]"), "MovedTo [] in the network config: must be an object");
  EXPECT_EQ(mistake(R"({"Store":"memory:"})"),
            "Id in MovedTo: must be 1 to 32 lower-case hexadecimal digits");
  EXPECT_EQ(mistake(R"({"Id":"XY","Store":"memory:"})"),
            R"(Id "XY" in MovedTo: must be 1 to 32 lower-case hexadecimal digits)");
  EXPECT_EQ(mistake(R"({"Id":"1"})"), "Store in MovedTo: is missing");
  EXPECT_EQ(mistake(R"({"Id":"1","Store":"memory:","Retired":1})"),
            "Retired 1 in MovedTo: must be true or false");
  EXPECT_NE(mistake(R"({"Id":"1","Store":"ftp:x"})").find("is not like etcd3:"), std::string::npos);
}

TEST(MoveNotesTest, TheMarkOfACopyChangesNoLease) {
  LeaseAttributes attributes{.public_ip = IpAddress::v4(192, 0, 2, 1)};
  attributes.backend_type = "vxlan";
  const std::string value = encode_lease_value(attributes);
  const std::string marked = with_copy_mark(value, "3f0c");
  EXPECT_FALSE(has_copy_mark(value));
  EXPECT_TRUE(has_copy_mark(marked)) << marked;
  EXPECT_EQ(decode_lease_value(marked), attributes);
  EXPECT_EQ(with_copy_mark("{ }", "1"), R"({"CopiedFrom":"1"})");
  EXPECT_FALSE(has_copy_mark(R"({"PublicIP":"192.0.2.1","BackendType":"CopiedFrom"})"));
}

}  // namespace
}  // namespace flannel::move_notes_test
