// SPDX-License-Identifier: Apache-2.0
#include "core/known_history.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

namespace flannel::known_history_test {
namespace {

using Verdict = HistoryProof::Verdict;

Change put(Revision at, const std::string& key = "a", const std::string& value = "v",
           const ExpiryHandle& expiry = "7", Revision created = 0) {
  return RecordPut{{key, value, at, expiry, created}};
}
Record put_record(Revision at, const std::string& key) {
  return std::get<RecordPut>(put(at, key)).record;
}
Change gone(Revision at, const std::string& key = "a") {
  return RecordGone{key, at};
}
Change config(Revision at, const std::string& text = "{}") {
  return ConfigPut{{text, at}};
}

KnownHistory history(const std::vector<Change>& changes) {
  KnownHistory known;
  for (const Change& change : changes)
    known.add(change);
  return known;
}

std::string revisions(const std::vector<Change>& changes) {
  std::string all;
  for (const Change& change : changes)
    all += fmt::format("{} ", revision_of(change));
  return all;
}

Verdict verdict_of(const std::vector<Change>& known, const std::vector<Change>& repeated) {
  HistoryProof proof = HistoryProof::after_break(history(known));
  proof.take(repeated);
  return proof.verdict();
}

TEST(KnownHistoryTest, HasTheLastRevisionsAndBeginsBeforeThem) {
  KnownHistory known;
  EXPECT_TRUE(known.empty());
  for (Revision at = 1; at <= 20; ++at)
    known.add(put(2 * at));
  EXPECT_EQ(revisions(known.changes()), "26 28 30 32 34 36 38 40 ");
  EXPECT_EQ(known.before(), 25);
  EXPECT_TRUE(known.can_prove());
  known.keep_last_half();
  EXPECT_EQ(revisions(known.changes()), "34 36 38 40 ");
  known.keep_last_half();
  EXPECT_TRUE(known.can_prove());
  known.keep_last_half();
  EXPECT_EQ(revisions(known.changes()), "40 ");
  EXPECT_FALSE(known.can_prove()) << "a restored store may have the same change there";
  known.keep_last_half();
  EXPECT_TRUE(known.empty());
}

TEST(KnownHistoryTest, OfAListHasWhatWasWrittenLast) {
  Snapshot all{.revision = 30, .config = ConfigRecord{"{}", 7}, .records = {}};
  all.records = {{"a", "1", 12, "7"}, {"b", "2", 9, "8"}, {"c", "3", 12, ""}};
  KnownHistory known;
  known.begin(all);
  EXPECT_EQ(revisions(known.changes()), "7 9 12 12 ");
  EXPECT_TRUE(std::holds_alternative<ConfigPut>(known.changes().at(0)));
  for (Revision at = 20; at < 27; ++at)
    all.records.push_back({fmt::format("d{}", at), "4", at, "9"});
  known.begin(all);
  EXPECT_EQ(revisions(known.changes()), "12 12 20 21 22 23 24 25 26 ");
  known.begin(Snapshot{.revision = 5, .config = {}, .records = {}});
  EXPECT_TRUE(known.empty());
}

TEST(KnownHistoryTest, ChangesFromBeforeItAndRepeatedOnesAddNothing) {
  KnownHistory known = history({put(10), put(12)});
  known.add(put(9));
  known.add(put(12));
  known.add(config(11));
  EXPECT_EQ(revisions(known.changes()), "10 11 12 ");
}

TEST(KnownHistoryTest, OfARevisionWithVeryManyChangesNothingIsKnown) {
  KnownHistory known = history({put(1)});
  for (std::size_t i = 0; i <= KnownHistory::kMostChanges; ++i)
    known.add(put(2, std::to_string(i)));
  EXPECT_TRUE(known.empty());
}

TEST(HistoryProofTest, AStoreThatRepeatsAllThatIsKnownHasTheHistory) {
  const std::vector<Change> known = {put(10), gone(11), config(12)};
  HistoryProof proof = HistoryProof::after_break(history(known));
  EXPECT_EQ(revisions(proof.take({put(10), gone(11)})), "");
  EXPECT_EQ(proof.verdict(), Verdict::open);
  EXPECT_EQ(revisions(proof.take({config(12), put(15)})), "15 ");
  EXPECT_EQ(proof.verdict(), Verdict::proven);
  EXPECT_EQ(revisions(proof.take({gone(16)})), "16 ");
}

TEST(HistoryProofTest, AnyOtherContentIsAnotherHistory) {
  const std::vector<Change> known = {put(10, "a", "v", "7", 3)};
  EXPECT_EQ(verdict_of(known, {put(10, "a", "v", "7", 3)}), Verdict::proven);
  EXPECT_EQ(verdict_of(known, {put(10, "a", "v", "7", 0)}), Verdict::proven) << "age not told";
  EXPECT_EQ(verdict_of(known, {put(10, "a", "v", "7", 4)}), Verdict::refuted);
  EXPECT_EQ(verdict_of(known, {put(10, "a", "v", "8", 3)}), Verdict::refuted);
  EXPECT_EQ(verdict_of(known, {put(10, "a", "w", "7", 3)}), Verdict::refuted);
  EXPECT_EQ(verdict_of(known, {put(10, "b", "v", "7", 3)}), Verdict::refuted);
  EXPECT_EQ(verdict_of(known, {gone(10)}), Verdict::refuted);
  EXPECT_EQ(verdict_of({gone(10)}, {gone(10, "b")}), Verdict::refuted);
  EXPECT_EQ(verdict_of({config(10)}, {config(10, "{1}")}), Verdict::refuted);
}

TEST(HistoryProofTest, AChangeThatWasNotKnownWithinTheHistoryRefutesIt) {
  EXPECT_EQ(verdict_of({put(10), put(12)}, {put(10), gone(11)}), Verdict::refuted);
  EXPECT_EQ(verdict_of({put(10), put(12)}, {put(10), put(12), gone(12, "b")}), Verdict::refuted);
}

// The history of a store that was restored to the revision 10, and has grown by other keys.
TEST(HistoryProofTest, WithoutAllThatIsKnownNothingIsNews) {
  HistoryProof proof = HistoryProof::after_break(history({put(10), put(12)}));
  EXPECT_EQ(revisions(proof.take({put(10)})), "");
  EXPECT_EQ(proof.verdict(), Verdict::open);
  EXPECT_EQ(revisions(proof.take({put(15), gone(17)})), "");
  EXPECT_EQ(proof.verdict(), Verdict::refuted);
}

// Two streams of one watch are not in order among each other.
TEST(HistoryProofTest, NewsThatComeBeforeTheProofComeWithIt) {
  HistoryProof proof = HistoryProof::after_break(history({put(10)}));
  EXPECT_EQ(revisions(proof.take({config(20)})), "");
  EXPECT_EQ(proof.verdict(), Verdict::open);
  EXPECT_EQ(revisions(proof.take({put(10), put(15)})), "20 15 ");
}

TEST(HistoryProofTest, AfterAListWhatItHadIsNoNews) {
  Snapshot all{.revision = 15, .config = {}, .records = {{"a", "v", 10, "renewed"}}};
  KnownHistory known;
  known.begin(all);
  HistoryProof proof = HistoryProof::after_list(known, all.revision);
  EXPECT_EQ(revisions(proof.take({put(10), gone(12, "b"), put(16)})), "16 ");
  EXPECT_EQ(proof.verdict(), Verdict::proven) << "a renewal is in no history";
}

TEST(HistoryProofTest, AfterAListNewsDoNotWait) {
  KnownHistory known;
  known.begin({.revision = 15, .config = {}, .records = {put_record(10, "a")}});
  HistoryProof proof = HistoryProof::after_list(known, 15);
  proof.stood();
  EXPECT_EQ(revisions(proof.take({put(16)})), "16 ");
  EXPECT_EQ(proof.verdict(), Verdict::proven);
  EXPECT_EQ(revisions(proof.take({put(10), put(17)})), "17 ") << "late";
  EXPECT_EQ(proof.verdict(), Verdict::proven);
}

// A list that comes late is of a store that was emptied since, and has grown past its revision.
TEST(HistoryProofTest, AStoreThatGoesOnWithoutRepeatingHasAnotherHistory) {
  KnownHistory known;
  known.begin(
      {.revision = 21, .config = {}, .records = {put_record(20, "a"), put_record(21, "b")}});
  HistoryProof proof = HistoryProof::after_list(known, 21);
  EXPECT_EQ(revisions(proof.take({put(20), gone(21, "c")})), "");
  EXPECT_EQ(proof.verdict(), Verdict::open);
  EXPECT_EQ(revisions(proof.take({gone(22, "d")})), "");
  EXPECT_EQ(proof.verdict(), Verdict::refuted);
}

TEST(HistoryProofTest, WhatWasWrittenAndDeletedBeforeAListIsNotMissedInIt) {
  KnownHistory known;
  known.begin({.revision = 15, .config = {}, .records = {{"a", "v", 10, "7"}}});
  HistoryProof proof = HistoryProof::after_list(known, 15);
  EXPECT_EQ(revisions(proof.take({put(10), put(12, "b"), gone(13, "b")})), "");
  EXPECT_EQ(revisions(proof.take({put(16)})), "16 ");
  proof.stood();
  EXPECT_EQ(proof.verdict(), Verdict::proven);
}

TEST(HistoryProofTest, WhatWasWrittenOverBeforeAListIsNotMissedInIt) {
  KnownHistory known;
  known.begin(
      {.revision = 15, .config = {}, .records = {put_record(10, "a"), put_record(13, "b")}});
  HistoryProof proof = HistoryProof::after_list(known, 15);
  EXPECT_EQ(revisions(proof.take({put(10), put(12, "b", "before"), put(13, "b"), put(16)})), "16 ");
  proof.stood();
  EXPECT_EQ(proof.verdict(), Verdict::proven);
}

// A host writes its record again, with the same content, at the revision that it had in the history
// before a backup was restored.
TEST(HistoryProofTest, OneChangeThatBothHistoriesHaveProvesNothingAfterAList) {
  KnownHistory known;
  known.begin(
      {.revision = 18, .config = {}, .records = {put_record(17, "a"), put_record(18, "b")}});
  HistoryProof proof = HistoryProof::after_break(known);
  EXPECT_EQ(revisions(proof.take({put(18, "b"), put(19, "c")})), "");
  EXPECT_EQ(proof.verdict(), Verdict::refuted);
}

TEST(HistoryProofTest, AListThatLacksWhatWasWrittenIsOfAnotherHistory) {
  KnownHistory known;
  known.begin({.revision = 15, .config = {}, .records = {{"a", "v", 10, "7"}}});
  HistoryProof proof = HistoryProof::after_list(known, 15);
  proof.take({put(10), put(14, "b")});
  EXPECT_EQ(proof.verdict(), Verdict::open) << "its deletion may follow";
  HistoryProof same = proof;
  EXPECT_EQ(revisions(proof.take({put(16)})), "");
  EXPECT_EQ(proof.verdict(), Verdict::refuted);
  same.stood();
  EXPECT_EQ(same.verdict(), Verdict::refuted);
}

TEST(HistoryProofTest, WhereNothingIsKnownAllIsNews) {
  HistoryProof proof;
  EXPECT_EQ(proof.verdict(), Verdict::proven);
  EXPECT_EQ(revisions(proof.take({put(3), gone(4)})), "3 4 ");
}

}  // namespace
}  // namespace flannel::known_history_test
