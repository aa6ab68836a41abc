// SPDX-License-Identifier: Apache-2.0
// An agent whose kernel is to fill in the checksums of packets by vxlan devices.
#include <gtest/gtest.h>

#include <fstream>

#include "daemon/software_checksums_file.h"
#include "support/agent_fixture.h"
#include "support/temporary_folder.h"

namespace flannel::software_checksums_test {
namespace {

class SoftwareChecksumsTest : public AgentTest {
 protected:
  std::string link() const {
    const std::string all = kernel_.dump();
    const auto at = all.find("link flannel.1 ");
    return at == all.npos ? "" : all.substr(at, all.find('\n', at) - at);
  }
  bool is_off() const { return link().ends_with(" tx off"); }
  std::string problems() const {
    std::string text;
    for (const Problem& problem : agent_->problems())
      if (problem.kind->code == "software-checksums") text += problem.object + " ";
    return text;
  }
};

TEST_F(SoftwareChecksumsTest, TheDeviceIsChangedInPlaceAndBack) {
  configure(kVxlan);
  EXPECT_FALSE(is_off());
  agent_->set_software_checksums(true);
  loop_.run_until_idle();
  EXPECT_TRUE(is_off()) << link();
  EXPECT_EQ(problems(), "flannel.1 ");
  agent_->set_software_checksums(false);
  loop_.run_until_idle();
  EXPECT_FALSE(is_off());
  EXPECT_EQ(problems(), "");
}

TEST_F(SoftwareChecksumsTest, ADeviceThatIsMadeAnewHasItToo) {
  configure(kVxlan);
  agent_->set_software_checksums(true);
  kernel_.delete_device("flannel.1");
  agent_->suspect_kernel();
  loop_.advance(std::chrono::seconds(2));
  EXPECT_TRUE(is_off()) << link();
}

TEST(SoftwareChecksumsFileTest, IsRememberedAndForgotten) {
  const TemporaryFolder folder;
  EXPECT_FALSE(has_software_checksums_file(folder.path()));
  for (const bool on : {true, true, false, false}) {
    ASSERT_TRUE(keep_software_checksums(folder.path(), on));
    EXPECT_EQ(has_software_checksums_file(folder.path()), on);
  }
}

TEST(SoftwareChecksumsFileTest, AFolderThatTakesNoFileIsNamed) {
  const auto kept = keep_software_checksums("/proc/none", true);
  ASSERT_FALSE(kept);
  EXPECT_NE(kept.error().text.find("/proc/none/software-checksums"), std::string::npos)
      << kept.error().text;
}

}  // namespace
}  // namespace flannel::software_checksums_test
