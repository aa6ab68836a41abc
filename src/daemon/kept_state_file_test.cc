// SPDX-License-Identifier: Apache-2.0
#include "daemon/kept_state_file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "base/file.h"
#include "base/log.h"
#include "daemon/read_host_clock.h"
#include "support/temporary_folder.h"

namespace flannel::kept_state_file_test {
namespace {

class KeptStateFileTest : public ::testing::Test {
 protected:
  KeptStateFileTest() {
    log::capture([this](std::string_view line) { log_ += line; });
  }
  ~KeptStateFileTest() override { log::capture({}); }

  static ListedLease lease(std::uint32_t number) {
    const IpAddress ip = IpAddress::v4(192, 0, 2, 0).plus(number);
    const IpPrefix subnet = IpPrefix::of(IpAddress::v4(10, 0, 0, 0).plus(number << 8), 24);
    return {.lease = Lease{SubnetKey::of(subnet), LeaseAttributes::of_host(ip)},
            .created = 1,
            .revision = 1,
            .expires = true};
  }
  static KeptState state(const std::string& key) {
    KeptState state;
    state.lease.record = {.key = key, .value = "{}", .revision = 1, .expiry_handle = "1"};
    state.lease.ends = TimePoint(std::chrono::hours(1));
    return state;
  }
  std::string path() const { return folder_.path() + "/state/kept.gz"; }
  // Writes once, and waits for the thread.
  void keep(const KeptState& state, std::vector<ListedLease> leases = {}) const {
    KeptStateFile(path(), "one").write(state, std::move(leases));
  }
  void overwrite(const std::string& text) const {
    ASSERT_TRUE(write_file_atomically(path(), text, 0600));
  }

  TemporaryFolder folder_;
  std::string log_;
};

TEST_F(KeptStateFileTest, WhatIsWrittenIsReadByTheNextRun) {
  EXPECT_FALSE(KeptStateFile(path(), "one").read());
  EXPECT_EQ(log_, "") << "the first start of a host is no reason for a line";
  keep(state("10.0.1.0-24"), {lease(1), lease(2)});
  const auto kept = KeptStateFile(path(), "one").read();
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->state.store, "one");
  EXPECT_EQ(kept->snapshot.records.size(), 2U);
  struct stat status {};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
}

TEST_F(KeptStateFileTest, TheLastOfManyIsWritten) {
  {
    KeptStateFile file(path(), "one");
    for (std::uint32_t i = 1; i <= 100; ++i)
      file.write(state(fmt::format("10.0.{}.0-24", i)), {lease(i)});
  }
  const auto kept = KeptStateFile(path(), "one").read();
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->state.lease.record.key, "10.0.100.0-24");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path() + "/state"), {}), 1)
      << "nothing half-written stays";
}

TEST_F(KeptStateFileTest, TheFilesOfAFolderAreTheNetworksOfAnEarlierRun) {
  const std::string folder = folder_.path() + "/state";
  const auto store_of = [](const std::string& name) { return "the store of " + name; };
  const auto names = [&] { return kept_networks(folder, "/coreos.com/network", store_of); };
  const auto write = [&](const std::string& prefix, const std::string& store) {
    KeptStateFile(kept_state_path(folder, prefix), store).write(state("10.0.1.0-24"), {});
  };
  EXPECT_TRUE(names().empty()) << "there is no folder";
  write("/coreos.com/network/blue", "the store of blue");
  write("/coreos.com/network/a-b.c_1", "the store of a-b.c_1");
  write("/coreos.com/network", "the store of no network");
  write("/coreos.com/network/config", "the store of config");
  write("/coreos.com/network/.x", "the store of .x");
  write("/other/network/red", "the store of red");
  EXPECT_EQ(names(), (std::set<std::string>{"a-b.c_1", "blue"}));
  EXPECT_EQ(log_, "");
  write("/coreos.com/network-green", "another store");
  EXPECT_EQ(names(), (std::set<std::string>{"a-b.c_1", "blue"}));
  EXPECT_NE(log_.find("of another store"), std::string::npos) << log_;
  ASSERT_TRUE(
      write_file_atomically(kept_state_path(folder, "/coreos.com/network/blue"), "x", 0600));
  EXPECT_EQ(names(), std::set<std::string>{"a-b.c_1"});
  EXPECT_NE(log_.find("cannot be used"), std::string::npos) << log_;
}

TEST_F(KeptStateFileTest, WhatIsRemovedIsGone) {
  keep(state("10.0.1.0-24"));
  ASSERT_TRUE(std::filesystem::exists(path()));
  KeptStateFile(path(), "one").remove();
  EXPECT_FALSE(std::filesystem::exists(path()));
  KeptStateFile(path(), "one").remove();
  EXPECT_EQ(log_, "");
}

TEST_F(KeptStateFileTest, ThatOfAnotherStoreIsNotUsed) {
  keep(state("10.0.1.0-24"));
  EXPECT_FALSE(KeptStateFile(path(), "other").read());
  EXPECT_NE(log_.find("of another store"), std::string::npos) << log_;
}

TEST_F(KeptStateFileTest, ADamagedOneIsNotUsedAndStays) {
  keep(state("10.0.1.0-24"), {lease(1)});
  const std::string whole = read_file(path()).value();
  for (const std::string& text :
       {std::string(), std::string("nonsense"), whole.substr(0, whole.size() / 2)}) {
    overwrite(text);
    log_.clear();
    EXPECT_FALSE(KeptStateFile(path(), "one").read());
    EXPECT_NE(log_.find("cannot be used"), std::string::npos) << log_;
    EXPECT_EQ(read_file(path()).value(), text);
  }
}

TEST_F(KeptStateFileTest, AFolderThatCannotBeWrittenIsAWarning) {
  std::ofstream(folder_.path() + "/state") << "a file";
  keep(state("10.0.1.0-24"));
  EXPECT_NE(log_.find("cannot be kept"), std::string::npos) << log_;
}

TEST_F(KeptStateFileTest, WhatCannotBeReplacedIsRemoved) {
  keep(state("10.0.1.0-24"));
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit none {
    0, before.rlim_max
  };
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &none), 0);
  keep(state("10.0.2.0-24"));
  EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, handler);
  EXPECT_NE(log_.find("cannot be kept"), std::string::npos) << log_;
  EXPECT_FALSE(std::filesystem::exists(path())) << "it has another lease";
}

TEST_F(KeptStateFileTest, APeerTakesFewBytes) {
  std::vector<ListedLease> leases;
  for (std::uint32_t i = 1; i <= 1000; ++i)
    leases.push_back(lease(i));
  keep(state("10.0.1.0-24"), std::move(leases));
  EXPECT_LT(std::filesystem::file_size(path()), 20'000U);
}

TEST(KeptStatePathTest, IsAnotherOneForEachPrefix) {
  EXPECT_EQ(kept_state_path("/state", "/coreos.com/network"),
            "/state/kept-state-coreos.com-network.gz");
  EXPECT_EQ(kept_state_path("/state", "/coreos.com/network/green"),
            "/state/kept-state-coreos.com-network-green.gz");
  EXPECT_EQ(kept_state_path("/state", "/../\n\xff/x"), "/state/kept-state-..----x.gz");
}

class HostClockTest : public ::testing::Test {
 protected:
  ClockSources sources() const {
    return {.boot_id = folder_.path() + "/boot_id",
            .hardware_clocks = folder_.path() + "/rtc",
            .synchronized = folder_.path() + "/synchronized",
            .ask_kernel = false};
  }
  void write(const std::string& name, const std::string& text) const {
    ASSERT_TRUE(write_file_atomically(folder_.path() + "/" + name, text, 0644));
  }
  bool is_right() const { return read_host_clock(sources()).is_right(); }
  static std::int64_t now() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }

  TemporaryFolder folder_;
};

TEST_F(HostClockTest, ReadsTheBootAndTheTimes) {
  write("boot_id", "6a3c\n");
  const HostClock clock = read_host_clock(sources());
  EXPECT_EQ(clock.boot, "6a3c");
  EXPECT_LE(clock.since_boot, BootClock::now());
  EXPECT_NEAR(static_cast<double>(clock.wall.time_since_epoch().count()),
              static_cast<double>(now()), 5);
  EXPECT_FALSE(clock.is_right()) << "nobody says so";
}

TEST_F(HostClockTest, ATimeServerSaysThatItIsRight) {
  write("synchronized", "");
  EXPECT_TRUE(is_right());
}

TEST_F(HostClockTest, TheHardwareClockFromWhichItWasSetSaysSoIfTheyAgree) {
  write("rtc/rtc0/hctosys", "0\n");
  write("rtc/rtc0/since_epoch", fmt::format("{}\n", now()));
  EXPECT_FALSE(is_right()) << "it was not set from this one";
  write("rtc/rtc1/hctosys", "1\n");
  EXPECT_FALSE(is_right());
  for (const std::int64_t apart : {-3600, 90, -90}) {
    write("rtc/rtc1/since_epoch", fmt::format("{}\n", now() + apart));
    EXPECT_FALSE(is_right()) << apart;
  }
  for (const std::string text : {"", "-5", "nonsense", "99999999999999999999"}) {
    write("rtc/rtc1/since_epoch", text);
    EXPECT_FALSE(is_right()) << text;
  }
  write("rtc/rtc1/since_epoch", fmt::format("{}\n", now() + 20));
  EXPECT_TRUE(is_right());
}

}  // namespace
}  // namespace flannel::kept_state_file_test
