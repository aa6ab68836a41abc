// SPDX-License-Identifier: Apache-2.0
// What is special about SQLite: other processes, and a file that goes away. What every store
// promises is in conformance_test.cc.
#include "registry/sqlite/sqlite_registry.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <ctime>
#include <filesystem>
#include <thread>

#include "support/blocking_registry.h"
#include "support/child_process.h"
#include "support/temporary_folder.h"

namespace flannel::sqlite_registry_test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

const std::string kNet = "/coreos.com/network";

// As the first release made it, with a configuration and a record.
constexpr const char* kFirstVersion = R"sql(
CREATE TABLE store (id BLOB NOT NULL);
INSERT INTO store VALUES (randomblob(16));
CREATE TABLE record (
  prefix TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, ttl INTEGER, expires INTEGER,
  revision INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (prefix, key)) WITHOUT ROWID;
CREATE INDEX record_by_expiry ON record (expires) WHERE expires IS NOT NULL;
CREATE TABLE config (
  prefix TEXT NOT NULL PRIMARY KEY, text BLOB NOT NULL, revision INTEGER NOT NULL DEFAULT 0)
  WITHOUT ROWID;
CREATE TABLE history (
  revision INTEGER PRIMARY KEY AUTOINCREMENT, prefix TEXT NOT NULL, change TEXT NOT NULL, key TEXT,
  value BLOB, expires INTEGER);
INSERT INTO history (prefix, change) VALUES ('', 'created');
CREATE TRIGGER record_is_inserted AFTER INSERT ON record BEGIN SELECT 1; END;
CREATE TRIGGER record_is_updated AFTER UPDATE OF value ON record BEGIN SELECT 1; END;
INSERT INTO history (prefix, change, value) VALUES ('/coreos.com/network', 'config', '{}');
INSERT INTO config VALUES ('/coreos.com/network', '{}', 2);
INSERT INTO history (prefix, change, key, value)
  VALUES ('/coreos.com/network', 'put', '10.5.1.0-24', 'old');
INSERT INTO record VALUES ('/coreos.com/network', '10.5.1.0-24', 'old', NULL, NULL, 3);
PRAGMA user_version = 1;
)sql";

class SqliteTest : public ::testing::Test {
 protected:
  std::unique_ptr<BlockingRegistry> open() {
    return std::make_unique<BlockingRegistry>(open_sqlite_registry(path, kNet, loop.loop()).value(),
                                              loop);
  }

  Result<ChildProcess> writer(const std::string& key, const std::string& value) {
    return ChildProcess::start({STORE_WRITER, path, kNet, key, value}, folder.path() + "/log");
  }

  Revision now() { return session->snapshot().value().revision; }

  TemporaryFolder folder;
  std::string path = folder.path() + "/store/flannel.db";
  PatientLoop loop;
  std::unique_ptr<BlockingRegistry> session = open();
};

TEST_F(SqliteTest, ChangesByAnotherProcessAreReported) {
  WatchLog watch(*session, now(), loop);
  ASSERT_EQ(writer(kOne, "theirs")->wait(), 0);
  EXPECT_TRUE(watch.reports("put " + kOne + "=theirs"));
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

TEST_F(SqliteTest, ChangesByAToolThatKeepsTheFileOpenAreReported) {
  WatchLog watch(*session, now(), loop);
  sqlite3* tool = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &tool), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(tool,
                         "INSERT INTO record (prefix, key, value) "
                         "VALUES ('/coreos.com/network', '10.5.2.0-24', 'tool')",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  EXPECT_TRUE(watch.reports("put " + kTwo + "=tool"));
  sqlite3_close(tool);
}

TEST_F(SqliteTest, ARenewalByAnotherMovesTheExpiryHere) {
  const auto other = open();
  const std::chrono::seconds ttl(1);
  WatchLog watch(*other, now(), loop);
  WriteResult held = session->create(kOne, "one", ttl).value();
  ASSERT_TRUE(session->create(kTwo, "two", ttl));
  ASSERT_TRUE(session->renew(record_of(kOne, "one", held), hours(1)));
  ASSERT_TRUE(watch.reports("gone"));
  EXPECT_TRUE(watch.text().ends_with("gone " + kTwo + "\n|\n")) << watch.text();
  EXPECT_EQ(other->snapshot().value().records.size(), 1U);
}

TEST_F(SqliteTest, ADeletedFileEndsWatchesAndIsMadeAnew) {
  const auto other = open();
  const Revision before = now();
  ASSERT_TRUE(other->snapshot());
  WatchLog watch(*session, before, loop), others(*other, before, loop);
  ASSERT_TRUE(session->create(kOne, "one", hours(1)));
  ASSERT_TRUE(watch.reports("put"));
  ASSERT_TRUE(others.reports("put"));
  ASSERT_TRUE(std::filesystem::remove(path));
  ASSERT_TRUE(watch.reports("disconnected"));
  ASSERT_TRUE(others.reports("disconnected"));
  EXPECT_EQ(watch.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(watch.error().text, path + " was deleted or replaced");

  WatchLog resumed(*session, before, loop);  // a place in the old file, not in this one
  EXPECT_TRUE(resumed.reports("position lost"));
  EXPECT_TRUE(session->snapshot().value().records.empty());
  const auto created = other->create(kTwo, "two", hours(1));
  ASSERT_TRUE(created) << created.error().text;
  EXPECT_EQ(session->snapshot().value().records.size(), 1U) << "both use the same new file";
}

TEST_F(SqliteTest, ADeletedFolderIsMadeAnew) {
  WatchLog watch(*session, now(), loop);
  ASSERT_TRUE(session->create(kOne, "one", hours(1)));
  ASSERT_TRUE(watch.reports("put"));
  std::filesystem::remove_all(folder.path() + "/store");
  ASSERT_TRUE(watch.reports("disconnected"));
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
  ASSERT_TRUE(watch.reports("put"));
  std::filesystem::rename(backup, path);
  ASSERT_TRUE(watch.reports("disconnected"));
  const Snapshot all = session->snapshot().value();
  ASSERT_EQ(all.records.size(), 1U);
  EXPECT_EQ(all.records[0].value, "kept");
}

TEST_F(SqliteTest, APathThatCannotBeAFileIsAnError) {
  path = "/dev/null/flannel.db";
  const auto nowhere = open();
  const auto refused = nowhere->snapshot();
  EXPECT_EQ(refused.error().text,
            "read /coreos.com/network in /dev/null/flannel.db: open /dev/null/flannel.db: create "
            "directory /dev/null: there is a file of that name");
  WatchLog watch(*nowhere, 1, loop);
  EXPECT_TRUE(watch.reports("disconnected"));
}

// As after a power failure: at any moment of a write the process ends. SQLite's log keeps what was
// committed, and nothing of what was not.
TEST_F(SqliteTest, AWriterKilledInTheMiddleLeavesAFileThatIsWhole) {
  session->close();
  for (int i = 0; i < 40; ++i) {
    auto process = writer("10.5." + std::to_string(i) + ".0-24", std::string(8000, 'x'));
    ASSERT_TRUE(process);
    std::this_thread::sleep_for(milliseconds(i));  // how far it gets is by chance
    process->kill();
  }
  session = open();
  const auto all = session->snapshot();
  ASSERT_TRUE(all) << all.error().text;
  for (const Record& record : all->records)
    EXPECT_EQ(record.value, std::string(8000, 'x'));
  EXPECT_TRUE(session->create("10.5.99.0-24", "after", hours(1)));
  sqlite3* tool = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &tool), SQLITE_OK);
  std::string verdict;
  sqlite3_exec(
      tool, "PRAGMA integrity_check",
      [](void* text, int, char** columns, char**) {
        *static_cast<std::string*>(text) += columns[0];
        return 0;
      },
      &verdict, nullptr);
  sqlite3_close(tool);
  EXPECT_EQ(verdict, "ok");
}

// The limit of the file's size stands for a full disk: the same error on the same calls.
TEST_F(SqliteTest, AFullDiskIsReportedAndNothingIsLost) {
  WriteResult held = session->create(kOne, "one", hours(1)).value();
  WatchLog watch(*session, now(), loop);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit full{64 * 1024, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  const auto refused = session->create(kTwo, std::string(200'000, 'x'), hours(1));
  const auto read = session->snapshot();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find(path), std::string::npos) << refused.error().text;
  ASSERT_TRUE(read) << "what is there can be read";
  EXPECT_EQ(read->records.size(), 1U);
  EXPECT_TRUE(session->renew(record_of(kOne, "one", held), hours(1)));
  EXPECT_TRUE(session->create(kTwo, "two", hours(1)));
  EXPECT_TRUE(watch.reports("put " + kTwo + "=two"));
}

// The least limit of the file's size stands for a disk that takes nothing any more. What is counted
// is the time that this process works: a worker that turns in circles takes all of it.
TEST_F(SqliteTest, AnExpiredRecordThatCannotBeDeletedIsTriedWithPauses) {
  testing::internal::CaptureStderr();
  WatchLog watch(*session, now(), loop);
  const WriteResult held = session->create(kOne, "one", std::chrono::seconds(1)).value();
  ASSERT_TRUE(watch.reports("put"));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit full{4096, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  while (std::chrono::system_clock::now().time_since_epoch() <
         milliseconds(std::stoll(held.expiry_handle)))
    loop.pass(milliseconds(50));
  const std::clock_t begin = std::clock();
  loop.pass(std::chrono::seconds(1));
  const double worked_s = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  const auto all = session->snapshot();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_LT(worked_s, 0.5);
  ASSERT_TRUE(all) << all.error().text;
  EXPECT_EQ(all->records.size(), 1U) << "its removal was not reported";
  EXPECT_TRUE(watch.reports("gone")) << "when there is room again";
  const std::string log = testing::internal::GetCapturedStderr();
  const auto warning = log.find("expired records cannot be deleted");
  EXPECT_NE(warning, std::string::npos) << log;
  EXPECT_EQ(warning, log.rfind("expired records cannot be deleted")) << log;
}

// For as long as it takes: each call ends within its five seconds, watches stay, and the first call
// after the lock is gone succeeds.
TEST_F(SqliteTest, AFileThatIsLockedForLongIsWaitedFor) {
  const WriteResult held = session->create(kOne, "one", hours(1)).value();
  WatchLog watch(*session, now(), loop);
  sqlite3* tool = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &tool), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(tool, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  for (int i = 0; i < 2; ++i) {  // longer is the same again
    const auto renewed = session->renew(record_of(kOne, "one", held), hours(1));
    ASSERT_FALSE(renewed);
    EXPECT_EQ(renewed.error().kind, ErrorKind::unavailable) << "perhaps later";
  }
  EXPECT_TRUE(session->snapshot()) << "reading needs no lock";
  sqlite3_close(tool);
  EXPECT_TRUE(session->renew(record_of(kOne, "one", held), hours(1)));
  ASSERT_TRUE(session->create(kTwo, "two", hours(1)));
  EXPECT_TRUE(watch.reports("put " + kTwo)) << watch.text();
  EXPECT_EQ(watch.count("disconnected"), 0);
}

TEST_F(SqliteTest, AFileOfTheFirstVersionIsBroughtForward) {
  session->close();
  std::filesystem::remove_all(folder.path() + "/store");
  std::filesystem::create_directories(folder.path() + "/store");
  sqlite3* tool = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &tool), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(tool, kFirstVersion, nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(tool);
  sqlite3_close(tool);
  session = open();
  const auto all = session->snapshot();
  ASSERT_TRUE(all) << all.error().text;
  EXPECT_EQ(all->config, (ConfigRecord{"{}", 2}));
  ASSERT_EQ(all->records.size(), 1U);
  EXPECT_EQ(all->records[0].created, 3) << "its last change is what is known";
  WatchLog watch(*session, all->revision, loop);
  ASSERT_TRUE(session->replace(all->records[0], "new", hours(1)));
  ASSERT_TRUE(session->create(kTwo, "two", hours(1)));
  ASSERT_TRUE(watch.reports("put " + kTwo));
  EXPECT_EQ(watch.created(), (std::vector<Revision>{3, 5}));
}

TEST_F(SqliteTest, ClosingDoesNotWaitForALock) {
  ASSERT_TRUE(session->snapshot());
  sqlite3* tool = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &tool), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(tool, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  bool answered = false;
  session->registry().create_if_absent(kOne, "one", {},
                                       [&](const Result<WriteResult>&) { answered = true; });
  session->close();
  EXPECT_FALSE(answered);
  sqlite3_close(tool);
  EXPECT_TRUE(open()->snapshot().value().records.empty());
}

}  // namespace
}  // namespace flannel::sqlite_registry_test
