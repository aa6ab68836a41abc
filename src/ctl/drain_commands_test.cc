// SPDX-License-Identifier: Apache-2.0
// drain and undrain, without a flanneld.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "core/drain_note.h"
#include "support/ctl_fixture.h"
#include "support/temporary_folder.h"

namespace flannel::drain_commands_test {
namespace {

constexpr const char* kId = "3f0c0000000000000000000000000000";
constexpr const char* kKey = "10.5.7.0-24";

class DrainCommandsTest : public CtlTest {
 protected:
  DrainCommandsTest() {
    ctl({"config", "set", kVxlan});
    EXPECT_TRUE(write_file_atomically(folder_.path() + "/node-id", std::string(kId) + "\n", 0644));
    find_daemons = [this] { return Result<std::vector<int>>(daemons_); };
  }

  Said run(const std::string& command, Words more = {}) {
    more.insert(more.begin(), {command, "--state-dir=" + folder_.path(), "--timeout=600ms"});
    return ctl(more);
  }
  std::string path() const { return folder_.path() + "/drained"; }
  bool is_drained() const { return std::filesystem::exists(path()); }
  static std::string value(const std::string& id = kId) {
    return fmt::format(R"({{"PublicIP":"192.0.2.7","NodeID":"{}/00000001"}})", id);
  }

  TemporaryFolder folder_;
  std::vector<int> daemons_{77};
};

TEST_F(DrainCommandsTest, AHostWithoutARecordIsDrainedAtOnce) {
  lease("10.5.8.0-24", value("4f0c0000000000000000000000000000"));
  const Said said = run("drain");
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_EQ(said.out,
            "drained: the store has no lease of this host, so peers send nothing to it; packets "
            "that still arrive pass, and `flannelctl undrain` takes the lease again\n");
  const DrainNote note = decode_drain_note(read_file(path()).value());
  EXPECT_EQ(note.since.size(), std::string("2026-11-29T21:48:05Z").size()) << note.since;
  EXPECT_FALSE(note.by.empty());

  const std::string text = read_file(path()).value();
  EXPECT_TRUE(run("drain").out.starts_with("this host is " + to_string(note) + " already\n"));
  EXPECT_EQ(read_file(path()).value(), text) << "since when it is drained stays";
}

TEST_F(DrainCommandsTest, ARecordThatStaysIsNamedWithWhatToDo) {
  lease(kKey, value());
  Said said = run("drain");
  EXPECT_EQ(said.code, 1) << said.out;
  EXPECT_EQ(said.err,
            "flannelctl: drained is written, but the lease 10.5.7.0/24 is not deleted after 600 ms "
            "(--timeout): flanneld runs (process 77), and its log and /readyz say why\n");
  EXPECT_TRUE(is_drained());
  daemons_.clear();
  said = run("drain");
  EXPECT_NE(said.err.find("flanneld does not run on this host: start it, or delete the lease with "
                          "`flannelctl node remove`\n"),
            std::string::npos)
      << said.err;
}

TEST_F(DrainCommandsTest, AnUndrainWaitsForTheRecord) {
  run("drain");
  Said said = run("undrain");
  EXPECT_EQ(said.code, 1);
  EXPECT_FALSE(is_drained());
  EXPECT_EQ(said.err,
            "flannelctl: the store has no lease of this host after 600 ms (--timeout): flanneld "
            "runs (process 77), and its log and /readyz say why\n");
  lease(kKey, value());
  said = run("undrain");
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_EQ(said.out, "this host is not drained: there is no " + path() +
                          "\nthis host has the lease 10.5.7.0/24, and peers send to it\n");
}

TEST_F(DrainCommandsTest, NobodyNeedsToWait) {
  lease(kKey, value());
  EXPECT_EQ(run("drain", {"--no-wait"}).out,
            path() + " is written; flanneld deletes the lease when it sees the file\n");
  EXPECT_TRUE(is_drained());
  EXPECT_EQ(run("undrain", {"--no-wait"}).out,
            "flanneld takes the lease when it sees that " + path() + " is gone\n");
  EXPECT_FALSE(is_drained());
}

TEST_F(DrainCommandsTest, AReservationIsRefusedInWords) {
  lease(kKey, value(), {});
  const Said said = run("drain");
  EXPECT_EQ(said.code, 1);
  EXPECT_EQ(said.err,
            "flannelctl: not drained: 10.5.7.0/24 is a reservation of this host, and peers send to "
            "every host that has a record; `flannelctl unreserve 10.5.7.0/24` makes it a lease, "
            "which `flannelctl reserve` makes a reservation again after undrain\n");
  EXPECT_FALSE(is_drained());
}

TEST_F(DrainCommandsTest, AWrongStateFolderIsSaid) {
  for (const char* command : {"drain", "undrain"}) {
    const Said said = ctl({command, "--state-dir=/nowhere"});
    EXPECT_EQ(said.code, 1);
    EXPECT_EQ(said.err,
              "flannelctl: no flanneld of this release has run with the state folder /nowhere: it "
              "has no file node-id; --state-dir names another\n");
  }
  EXPECT_EQ(mistake({"leases", "--state-dir=/x"}), "--state-dir means nothing to `leases`");
  EXPECT_EQ(mistake({"leases", "--no-wait"}), "--no-wait means nothing to `leases`");
}

TEST_F(DrainCommandsTest, TheTimeIsHalfAMinuteUnlessItIsGiven) {
  const auto timeout = [](const Words& words) {
    return parse_ctl_command_line(words, no_environment)->options.timeout;
  };
  EXPECT_EQ(timeout({"drain"}), milliseconds(30'000));
  EXPECT_EQ(timeout({"undrain", "--timeout=5s"}), milliseconds(5000));
  EXPECT_EQ(timeout({"leases"}), milliseconds(10'000));
}

}  // namespace
}  // namespace flannel::drain_commands_test
