// SPDX-License-Identifier: Apache-2.0
#include "registry/sqlite/lease_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/fd.h"
#include "base/file.h"
#include "base/lock_file.h"
#include "support/child_process.h"
#include "support/temporary_folder.h"

namespace flannel::lease_file_test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kNet = "/coreos.com/network";
const std::string kOne = "10.5.1.0-24";
const std::string kTwo = "10.5.2.0-24";
constexpr WallTime kNow{hours(24 * 365 * 50)};

class LeaseFileTest : public ::testing::Test {
 protected:
  Result<LeaseFile> open() {
    return LeaseFile::open(path, [] { return false; });
  }

  // What a tool of the operator does.
  void sql(const std::string& statement) {
    sqlite3* other = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &other), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(other, statement.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_free(error);
    sqlite3_close(other);
  }

  std::string keys(LeaseFile& file) {
    const Snapshot all = file.snapshot(kNet).value();
    std::string text;
    for (const Record& record : all.records)
      text += record.key + " ";
    return text;
  }

  TemporaryFolder folder;
  std::string path = folder.path() + "/deep/down/flannel.db";
};

TEST_F(LeaseFileTest, FolderAndFileAreNotAccessibleToOtherUsers) {
  const mode_t old = ::umask(0);
  ASSERT_TRUE(open());
  ::umask(old);
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640U);
  ASSERT_EQ(::stat((path + "-lock").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  ASSERT_EQ(::stat((folder.path() + "/deep").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0750U);
}

Fd lock_of_folder(const std::string& path) {
  Fd fd{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  EXPECT_EQ(::flock(fd.get(), LOCK_EX | LOCK_NB), 0);
  return fd;
}

TEST_F(LeaseFileTest, AFolderThatAnyUserLocksIsNoObstacle) {
  const Fd stranger = lock_of_folder(folder.path());
  path = folder.path() + "/flannel.db";
  for (const char* file : {"a new one", "one that is there"}) {
    const auto opened = open();
    EXPECT_TRUE(opened) << file << ": " << opened.error().text;
  }
}

TEST_F(LeaseFileTest, AnEarlierReleaseThatMakesTheFileIsWaitedFor) {
  path = folder.path() + "/flannel.db";
  Fd earlier = lock_of_folder(folder.path());
  int asked = 0;
  const auto opened = LeaseFile::open(path, [&] {
    EXPECT_FALSE(std::filesystem::exists(path)) << "not before it has let go";
    if (++asked == 3) earlier.reset();
    return true;
  });
  EXPECT_TRUE(opened) << opened.error().text;
  EXPECT_EQ(asked, 3);
}

TEST_F(LeaseFileTest, AnotherThatOpensItIsWaitedForAsLongAsPatienceLasts) {
  ASSERT_TRUE(open());
  auto other = LockFile::open(path + "-lock").value();
  ASSERT_TRUE(other.lock(0, LockFile::Kind::exclusive).value());
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(refused.error().text, path + "-lock stays locked by another process");
}

TEST_F(LeaseFileTest, AFileKeepsItsIdentityAndItsRecords) {
  auto first = open().value();
  ASSERT_TRUE(first.create(kNet, kOne, "one", hours(24), kNow));
  auto second = open().value();
  EXPECT_EQ(second.id(), first.id());
  EXPECT_EQ(keys(second), kOne + " ");
}

TEST_F(LeaseFileTest, ARecordLivesUntilItsExpiryAndNotLonger) {
  auto file = open().value();
  const WriteResult held = file.create(kNet, kOne, "one", seconds(60), kNow).value();
  ASSERT_TRUE(file.create(kNet, kTwo, "two", {}, kNow));
  EXPECT_EQ(file.next_expiry().value(), kNow + seconds(60));
  EXPECT_EQ(held.expiry_handle, std::to_string((kNow + seconds(60)).time_since_epoch().count()));
  EXPECT_FALSE(file.expire(kNow + seconds(60) - milliseconds(1)).value());
  EXPECT_TRUE(file.expire(kNow + seconds(60)).value());
  EXPECT_EQ(keys(file), kTwo + " ") << "a reservation stays";
  EXPECT_FALSE(file.next_expiry().value());
  EXPECT_EQ(file.history(kNet, held.revision + 1, 10)->size(), 1U);
}

TEST_F(LeaseFileTest, AnExpiredRecordThatIsNotDeletedYetIsNoObstacle) {
  auto file = open().value();
  const WriteResult held = file.create(kNet, kOne, "one", seconds(60), kNow).value();
  const WallTime later = kNow + hours(1);
  const Record seen{kOne, "one", held.revision, held.expiry_handle};
  EXPECT_EQ(file.renew(kNet, seen, seconds(60), later).error().kind, ErrorKind::conflict);
  ASSERT_TRUE(file.create(kNet, kOne, "next", seconds(60), later));
  EXPECT_EQ(file.release(kNet, seen, later).error().kind, ErrorKind::conflict);
}

TEST_F(LeaseFileTest, AnExpiredRecordIsThereUntilItCanBeDeleted) {
  auto file = open().value();
  ASSERT_TRUE(file.create(kNet, kOne, "one", seconds(60), kNow));
  ASSERT_TRUE(file.create(kNet, kTwo, "two", seconds(61), kNow));
  auto other = Database::open(path, [] { return false; }).value();
  ASSERT_TRUE(other.execute("BEGIN IMMEDIATE"));
  EXPECT_FALSE(file.expire(kNow + seconds(60)));
  EXPECT_EQ(keys(file), kOne + " " + kTwo + " ");
  ASSERT_TRUE(other.execute("COMMIT"));
  EXPECT_TRUE(file.expire(kNow + seconds(60)));
  EXPECT_EQ(keys(file), kTwo + " ");
}

TEST_F(LeaseFileTest, RenewingMovesTheExpiryAndNothingElse) {
  auto file = open().value();
  const WriteResult held = file.create(kNet, kOne, "one", seconds(60), kNow).value();
  const Record seen{kOne, "one", held.revision, held.expiry_handle};
  const WriteResult renewed = file.renew(kNet, seen, {}, kNow + seconds(30)).value();
  EXPECT_EQ(renewed.ttl, seconds(60)) << "as granted before";
  EXPECT_EQ(file.next_expiry().value(), kNow + seconds(90));
  EXPECT_EQ(file.revision().value(), held.revision);
}

TEST_F(LeaseFileTest, WhatAToolWritesHasARevisionAndAHistory) {
  auto file = open().value();
  const Revision before = file.revision().value();
  sql("INSERT INTO record (prefix, key, value) VALUES ('/coreos.com/network', '10.5.1.0-24', "
      "'{}')");
  sql("INSERT OR REPLACE INTO config (prefix, text) VALUES ('/coreos.com/network', '{1}')");
  sql("UPDATE record SET value = '{2}'");
  sql("DELETE FROM record");
  sql("UPDATE config SET text = '{2}'");
  sql("DELETE FROM config");
  std::string changes;
  const auto history = file.history(kNet, before, 10).value();
  for (const auto& [revision, change] : history) {
    changes += std::to_string(revision - before) + ":" + std::to_string(change.index()) + " ";
  }
  EXPECT_EQ(changes, "1:0 2:2 3:0 4:1 5:2 6:3 ");
}

TEST_F(LeaseFileTest, ARecordOfAToolHasTheRevisionOfItsHistory) {
  auto file = open().value();
  sql("INSERT INTO record (prefix, key, value) VALUES ('/coreos.com/network', '10.5.1.0-24', "
      "'{}')");
  const Snapshot all = file.snapshot(kNet).value();
  EXPECT_EQ(all.records.at(0), (Record{kOne, "{}", all.revision}));
  EXPECT_TRUE(file.replace(kNet, all.records[0], "ours", hours(1), kNow));
}

TEST_F(LeaseFileTest, TheHistoryHasAnEnd) {
  auto file = open().value();
  const Revision before = file.revision().value();
  sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001) "
      "INSERT INTO record (prefix, key, value) SELECT '/other', i, 'x' FROM n");
  EXPECT_FALSE(file.remembers(before).value());
  EXPECT_TRUE(file.remembers(before + 1).value());
  EXPECT_TRUE(file.remembers(before + 10001).value());
  EXPECT_FALSE(file.remembers(before + 10002).value()) << "it has not been yet";
}

// The end of the log is missing, where a big record is: as a disk that cannot read it.
TEST_F(LeaseFileTest, ADamagedLogIsAnErrorOfReading) {
  auto writer = open().value();
  auto reader = open().value();
  const std::string log = path + "-wal";
  const auto before = std::filesystem::file_size(log);
  ASSERT_TRUE(writer.create(kNet, kOne, std::string(100'000, 'x'), {}, kNow));
  ASSERT_EQ(::truncate(log.c_str(), static_cast<off_t>(before) + 15 * 4120), 0);
  const auto failed = reader.snapshot(kNet);
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().text.find("disk I/O error"), std::string::npos) << failed.error().text;
  EXPECT_EQ(reader.snapshot(kNet).error().text, failed.error().text) << "and again";
}

TEST_F(LeaseFileTest, ANewerFlannelsFileIsLeftAlone) {
  ASSERT_TRUE(open());
  sql("PRAGMA user_version = 99");
  const auto refused = open();
  EXPECT_EQ(refused.error().kind, ErrorKind::unsupported);
}

TEST_F(LeaseFileTest, AForeignDatabaseIsLeftAlone) {
  path = folder.path() + "/other.db";
  sql("CREATE TABLE other (x)");
  EXPECT_EQ(open().error().text, "it is a database of something else");
}

TEST_F(LeaseFileTest, WhatIsNoDatabaseIsLeftAlone) {
  path = folder.path() + "/text";
  ASSERT_TRUE(write_file_atomically(path, std::string(8192, 'x'), 0600));
  EXPECT_EQ(open().error().kind, ErrorKind::invalid);
  EXPECT_EQ(read_file(path).value(), std::string(8192, 'x'));
}

TEST_F(LeaseFileTest, ALockThatStaysIsUnavailable) {
  auto file = open().value();
  auto other = Database::open(path, [] { return false; }).value();
  ASSERT_TRUE(other.execute("BEGIN IMMEDIATE"));
  EXPECT_EQ(file.create(kNet, kOne, "one", {}, kNow).error().kind, ErrorKind::unavailable);
  EXPECT_TRUE(file.snapshot(kNet)) << "readers do not wait for writers";
  ASSERT_TRUE(other.execute("COMMIT"));
  EXPECT_TRUE(file.create(kNet, kOne, "one", {}, kNow));
}

}  // namespace
}  // namespace flannel::lease_file_test
