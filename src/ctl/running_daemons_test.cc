// SPDX-License-Identifier: Apache-2.0
#include "ctl/running_daemons.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <string>

namespace flannel::running_daemons_test {
namespace {

namespace fs = std::filesystem;

// Processes as /proc shows them.
class RunningDaemonsTest : public testing::Test {
 protected:
  RunningDaemonsTest() {
    char name[] = "/tmp/flannel-proc-XXXXXX";
    proc = ::mkdtemp(name);
    process("self", "flannelctl", "net:[1]");
  }
  ~RunningDaemonsTest() override { fs::remove_all(proc); }

  void process(const std::string& pid, const std::string& name, const std::string& netns,
               const std::string& user = "0", const std::string& capabilities = "000001ffffffffff",
               const std::string& userns = "user:[1]") {
    fs::create_directories(proc / pid / "ns");
    std::ofstream(proc / pid / "status") << "Name:\t" << name << "\nUid:\t" << user
                                         << "\t0\t0\t0\nCapEff:\t" << capabilities << "\n";
    fs::create_symlink(userns, proc / pid / "ns/user");
    std::ofstream(proc / pid / "comm") << name << "\n";
    fs::create_symlink(netns, proc / pid / "ns/net");
  }

  fs::path proc;
};

TEST_F(RunningDaemonsTest, AreThoseOfOurNetworkNamespace) {
  process("1", "systemd", "net:[1]");
  process("20", "flanneld", "net:[1]");
  process("3", "flanneld", "net:[1]");
  process("4", "flanneld", "net:[2]");
  process("5", "flanneld-helper", "net:[1]");
  fs::create_directories(proc / "6");  // has just ended
  fs::create_directories(proc / "net");
  EXPECT_EQ(running_daemons(proc).value(), (std::vector{3, 20}));
}

TEST_F(RunningDaemonsTest, AreNoProcessesOfThatNameWhichAnyUserMayStart) {
  process("2", "flanneld", "net:[1]", "65533", "0000000000000000");
  process("3", "flanneld", "net:[1]", "65533", "000001ffffffffff", "user:[2]");
  process("4", "flanneld", "net:[1]", "65533", "0000000000001000");
  EXPECT_EQ(running_daemons(proc).value(), std::vector{4});
}

TEST_F(RunningDaemonsTest, AreNotDeniedWhereNothingCanBeSeen) {
  EXPECT_EQ(running_daemons(proc / "nothing").error().kind, ErrorKind::unavailable);
}

}  // namespace
}  // namespace flannel::running_daemons_test
