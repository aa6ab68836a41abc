// SPDX-License-Identifier: Apache-2.0
#include "core/drain_note.h"

#include <gtest/gtest.h>

namespace flannel::drain_note_test {
namespace {

TEST(DrainNoteTest, WhatIsWrittenIsReadAgain) {
  const DrainNote note{.since = "2026-11-29T21:48:05Z", .by = "root"};
  EXPECT_EQ(encode_drain_note(note), "2026-11-29T21:48:05Z root\n");
  EXPECT_EQ(decode_drain_note(encode_drain_note(note)), note);
  EXPECT_EQ(to_string(note), "drained since 2026-11-29T21:48:05Z by root");
}

TEST(DrainNoteTest, AFileOfAnOperatorsHandCounts) {
  EXPECT_EQ(to_string(decode_drain_note("")), "drained");
  EXPECT_EQ(to_string(decode_drain_note("yesterday")), "drained since yesterday");
  EXPECT_EQ(to_string(decode_drain_note("today Jane Doe \nfor the disks\n")),
            "drained since today by Jane Doe");
}

TEST(DrainNoteTest, NoTextSpoilsTheSentence) {
  const DrainNote note = decode_drain_note("\x1b[2J" + std::string(5000, 'x') + " \x07");
  EXPECT_EQ(note.since.find('\x1b'), std::string::npos);
  EXPECT_EQ(note.by.find('\x07'), std::string::npos);
  EXPECT_LT(to_string(note).size(), 400U);
}

}  // namespace
}  // namespace flannel::drain_note_test
