// SPDX-License-Identifier: Apache-2.0
#include "daemon/option_reload.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/log.h"
#include "daemon/option_source.h"
#include "support/temporary_folder.h"

namespace flannel::option_reload_test {
namespace {

using Words = std::vector<std::string>;

// A daemon that was started with an environment file.
class OptionReloadTest : public ::testing::Test {
 protected:
  void start(const std::string& text) {
    write(text);
    const char* const nothing[] = {nullptr};
    source_.emplace(Words{"--environment-file=" + path_, "--subnet-lease-renew-margin=50"},
                    nothing);
    Options options = std::get<Options>(*source_->read());
    reload_.emplace(options, OptionReload::Parts{
                                 .read = [this] { return source_->read(); },
                                 .apply = [this](const Options& now) { applied_.push_back(now); }});
  }
  void write(const std::string& text) const { std::ofstream(path_) << text; }

  // Reloads after a change of the file, and returns the log.
  std::string reload(const std::string& text) {
    write(text);
    std::string said;
    log::capture([&](std::string_view line) { said.append(line).append("\n"); });
    reload_->reload();
    log::capture({});
    return said;
  }
  Words problems() const { return sentences(reload_->problems()); }
  std::string at_the_start(const std::string& name) const {
    return "option: " + name + " changed in " + path_ +
           "; it takes effect at the next start; remedy: restart flanneld to take it";
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.path() + "/flanneld";
  std::optional<OptionSource> source_;
  std::optional<OptionReload> reload_;
  std::vector<Options> applied_;
};

TEST_F(OptionReloadTest, LiveOptionsAreAppliedAndTheLogHasThem) {
  start("FLANNELD_V=1\n");
  const std::string said = reload("FLANNELD_V=2\nFLANNELD_IP_MASQ=true\n");
  ASSERT_EQ(applied_.size(), 1U);
  EXPECT_EQ(applied_[0].verbosity, 2);
  EXPECT_TRUE(applied_[0].firewall.rules.masquerade);
  EXPECT_NE(said.find("the options have changed"), std::string::npos) << said;
  EXPECT_EQ(problems(), Words{});
  EXPECT_EQ(reload("FLANNELD_V=2\nFLANNELD_IP_MASQ=true\n"), "") << "nothing is new";
}

TEST_F(OptionReloadTest, AFlagOfTheCommandLineStays) {
  start("");
  EXPECT_EQ(reload("FLANNELD_SUBNET_LEASE_RENEW_MARGIN=100\n"), "");
  EXPECT_EQ(applied_.back().keeper.renew_margin, std::chrono::minutes(50));
}

TEST_F(OptionReloadTest, AnotherOptionIsNamedUntilItIsBack) {
  start("FLANNELD_HEALTHZ_PORT=1\n");
  reload("FLANNELD_HEALTHZ_PORT=2\nFLANNEL_OPTIONS=-v=1\n");
  EXPECT_EQ(problems(), (Words{at_the_start("--healthz-port"), at_the_start("FLANNEL_OPTIONS")}));
  reload("FLANNELD_HEALTHZ_PORT=2\n");
  EXPECT_EQ(problems(), Words{at_the_start("--healthz-port")});
  reload("FLANNELD_HEALTHZ_PORT=1\n");
  EXPECT_EQ(problems(), Words{});
}

TEST_F(OptionReloadTest, AMistakeLeavesEverythingInForce) {
  start("FLANNELD_V=1\n");
  for (const char* wrong : {"FLANNELD_V=2\nFLANNELD_HEALTHZ_PORT=http\n", "FLANNELD_V='2\n",
                            "FLANNELD_V=2\nnonsense\n"}) {
    for (int i = 0; i < 2; ++i) {
      const std::string said = reload(wrong);
      EXPECT_NE(said.find("the options were read again and are not taken"), std::string::npos);
      EXPECT_EQ(std::ranges::count(said, '\n'), 1) << said;
    }
    ASSERT_EQ(problems().size(), 1U);
    EXPECT_NE(problems()[0].find(path_), std::string::npos) << problems()[0];
    EXPECT_NE(problems()[0].find("; the running options stay in force; remedy: "),
              std::string::npos);
  }
  EXPECT_EQ(applied_.size(), 0U);
  reload("FLANNELD_V=2\n");
  EXPECT_EQ(problems(), Words{});
  EXPECT_EQ(applied_.size(), 1U);
}

TEST_F(OptionReloadTest, AFileThatIsGoneIsAMistakeUnlessItMayBeMissing) {
  start("");
  std::filesystem::remove(path_);
  reload_->reload();
  ASSERT_EQ(problems().size(), 1U);
  EXPECT_NE(problems()[0].find("open " + path_), std::string::npos);
}

TEST_F(OptionReloadTest, ASecretIsNeverSaid) {
  start("FLANNELD_ETCD_USERNAME=u\nFLANNELD_ETCD_PASSWORD=s3cret\n");
  std::string said =
      reload("FLANNELD_ETCD_USERNAME=u\nFLANNELD_ETCD_PASSWORD=s3cret2\nFLANNELD_V=1\n");
  EXPECT_EQ(problems(), Words{at_the_start("--etcd-password")});
  said += reload("CONSUL_HTTP_TOKEN=s3cret\nFLANNEL_OPTIONS=--etcd-password=s3cret\n");
  EXPECT_EQ(problems().size(), 4U);
  said += reload("FLANNELD_ETCD_PASSWORD='s3cret");
  said += reload("FLANNELD_ETCD_PASSWORD s3cret\n");
  said += reload("s3cret=s3cret=\nFLANNELD_ETCD_USERNAME=u");
  for (const std::string& one : problems())
    said += one;
  EXPECT_EQ(said.find("s3cret"), std::string::npos) << said;
}

}  // namespace
}  // namespace flannel::option_reload_test
