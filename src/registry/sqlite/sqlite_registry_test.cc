// SPDX-License-Identifier: Apache-2.0
// What is special about SQLite: other processes, and a file that goes away. What every store
// promises is in conformance_test.cc.
#include "registry/sqlite/sqlite_registry.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>

#include "support/child_process.h"
#include "support/store_session.h"

namespace flannel {
namespace {

using std::chrono::hours;

const std::string kNet = "/coreos.com/network";
const std::string kOne = "10.5.1.0-24";
const std::string kTwo = "10.5.2.0-24";

class SqliteTest : public ::testing::Test {
 protected:
  std::unique_ptr<StoreSession> open() {
    return std::make_unique<StoreSession>(open_sqlite_registry(path, kNet, loop.loop()).value(),
                                          loop);
  }

  Result<ChildProcess> writer(const std::string& key, const std::string& value) {
    return ChildProcess::start({STORE_WRITER, path, kNet, key, value}, folder.path() + "/log");
  }

  Revision now() { return session->snapshot().value().revision; }

  TemporaryFolder folder;
  std::string path = folder.path() + "/store/flannel.db";
  PatientLoop loop;
  std::unique_ptr<StoreSession> session = open();
};

TEST_F(SqliteTest, AnotherProcessIsHeard) {
  WatchLog watch(*session, now(), loop);
  ASSERT_EQ(writer(kOne, "theirs")->wait(), 0);
  EXPECT_TRUE(watch.hears("put " + kOne + "=theirs"));
  EXPECT_EQ(session->snapshot().value().records.size(), 1U);
  EXPECT_EQ(session->create(kOne, "ours", hours(1)).error().kind, ErrorKind::exists);
}

TEST_F(SqliteTest, OfManyProcessesOneWins) {
  session->close();  // they also race to make the file
  std::vector<ChildProcess> writers;
  for (int i = 0; i < 8; ++i)
    writers.push_back(writer(kOne, std::to_string(i)).value());
  int won = 0, late = 0;
  for (ChildProcess& process : writers) {
    const int status = process.wait();
    if (status == 0) ++won;
    if (status == 1) ++late;
  }
  EXPECT_EQ(won, 1);
  EXPECT_EQ(late, 7);
}

TEST_F(SqliteTest, AToolIsHeardWhileItKeepsTheFileOpen) {
  WatchLog watch(*session, now(), loop);
  sqlite3* tool = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &tool), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(tool,
                         "INSERT INTO record (prefix, key, value) "
                         "VALUES ('/coreos.com/network', '10.5.2.0-24', 'tool')",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  EXPECT_TRUE(watch.hears("put " + kTwo + "=tool"));
  sqlite3_close(tool);
}

TEST_F(SqliteTest, ARenewalByAnotherMovesTheExpiryHere) {
  const auto other = open();
  const std::chrono::seconds ttl(1);
  WatchLog watch(*other, now(), loop);
  Held held = session->create(kOne, "one", ttl).value();
  ASSERT_TRUE(session->create(kTwo, "two", ttl));
  ASSERT_TRUE(session->renew(record_of(kOne, "one", held), hours(1)));
  ASSERT_TRUE(watch.hears("gone"));
  EXPECT_TRUE(watch.text().ends_with("gone " + kTwo + "\n|\n")) << watch.text();
  EXPECT_EQ(other->snapshot().value().records.size(), 1U);
}

TEST_F(SqliteTest, ADeletedFileEndsWatchesAndIsMadeAnew) {
  const auto other = open();
  const Revision before = now();
  ASSERT_TRUE(other->snapshot());
  WatchLog watch(*session, before, loop), others(*other, before, loop);
  ASSERT_TRUE(session->create(kOne, "one", hours(1)));
  ASSERT_TRUE(watch.hears("put"));
  ASSERT_TRUE(others.hears("put"));
  ASSERT_TRUE(std::filesystem::remove(path));
  ASSERT_TRUE(watch.hears("disconnected"));
  ASSERT_TRUE(others.hears("disconnected"));
  EXPECT_EQ(watch.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(watch.error().text, path + " was deleted or replaced");

  WatchLog resumed(*session, before, loop);  // a place in the old file, not in this one
  EXPECT_TRUE(resumed.hears("position lost"));
  EXPECT_TRUE(session->snapshot().value().records.empty());
  const auto created = other->create(kTwo, "two", hours(1));
  ASSERT_TRUE(created) << created.error().text;
  EXPECT_EQ(session->snapshot().value().records.size(), 1U) << "both use the same new file";
}

TEST_F(SqliteTest, ADeletedFolderIsMadeAnew) {
  WatchLog watch(*session, now(), loop);
  ASSERT_TRUE(session->create(kOne, "one", hours(1)));
  ASSERT_TRUE(watch.hears("put"));
  std::filesystem::remove_all(folder.path() + "/store");
  ASSERT_TRUE(watch.hears("disconnected"));
  EXPECT_TRUE(session->create(kOne, "again", hours(1)));
}

TEST_F(SqliteTest, AReplacedFileIsTakenWithoutTheOldOnesLog) {
  const std::string backup = folder.path() + "/backup.db";
  ASSERT_TRUE(session->create(kOne, "kept", {}));
  sqlite3* tool = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &tool), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(tool, ("VACUUM INTO '" + backup + "'").c_str(), nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(tool);
  WatchLog watch(*session, now(), loop);
  ASSERT_TRUE(session->create(kTwo, "after the backup", {}));
  ASSERT_TRUE(watch.hears("put"));
  std::filesystem::rename(backup, path);
  ASSERT_TRUE(watch.hears("disconnected"));
  const Snapshot all = session->snapshot().value();
  ASSERT_EQ(all.records.size(), 1U);
  EXPECT_EQ(all.records[0].value, "kept");
}

TEST_F(SqliteTest, APlaceThatCannotBeAFileIsSaid) {
  path = "/dev/null/flannel.db";
  const auto nowhere = open();
  const auto refused = nowhere->snapshot();
  EXPECT_EQ(refused.error().text,
            "read /coreos.com/network in /dev/null/flannel.db: open /dev/null/flannel.db: open "
            "/dev/null: Not a directory");
  WatchLog watch(*nowhere, 1, loop);
  EXPECT_TRUE(watch.hears("disconnected"));
}

TEST_F(SqliteTest, ClosingDoesNotWaitForALock) {
  ASSERT_TRUE(session->snapshot());
  sqlite3* tool = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &tool), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(tool, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  bool answered = false;
  session->registry().create_if_absent(kOne, "one", {},
                                       [&](const Result<Held>&) { answered = true; });
  session->close();
  EXPECT_FALSE(answered);
  sqlite3_close(tool);
  EXPECT_TRUE(open()->snapshot().value().records.empty());
}

}  // namespace
}  // namespace flannel
