// SPDX-License-Identifier: Apache-2.0
// The options of flag, environment file and environment together, at the start and again later.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "daemon/option_source.h"
#include "support/temporary_folder.h"

namespace flannel::environment_options_test {
namespace {

using Words = std::vector<std::string>;

class EnvironmentOptionsTest : public ::testing::Test {
 protected:
  void write(const std::string& text) const {
    std::ofstream(path_) << text;
    std::filesystem::permissions(
        path_, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }

  // A source with `variables` ("NAME=value") as its environment.
  OptionSource source(const Words& arguments, const Words& variables = {}) const {
    std::vector<const char*> lines;
    for (const std::string& line : variables)
      lines.push_back(line.c_str());
    lines.push_back(nullptr);
    return {arguments, lines.data()};
  }

  static Options read(OptionSource& source) {
    auto parsed = source.read();
    EXPECT_TRUE(parsed) << parsed.error().text;
    return parsed ? std::get<Options>(*std::move(parsed)) : Options{};
  }
  Options options(const Words& arguments, const Words& variables = {}) const {
    OptionSource made = source(arguments, variables);
    return read(made);
  }
  std::string mistake(const Words& arguments, const Words& variables = {}) const {
    const auto parsed = source(arguments, variables).read();
    return parsed ? "no mistake" : parsed.error().text;
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.path() + "/flanneld";
  std::string flag_ = "--environment-file=" + path_;
};

TEST_F(EnvironmentOptionsTest, AFlagPrecedesTheFileAndTheFileTheEnvironment) {
  write("FLANNELD_IFACE=file\nFLANNELD_PUBLIC_IP=192.0.2.2\nFLANNELD_V=2\n");
  const Options given = options({flag_, "--v=3"}, {"FLANNELD_IFACE=environment", "FLANNELD_V=1",
                                                   "FLANNELD_IFACE_REGEX=^eth"});
  EXPECT_EQ(given.verbosity, 3);
  EXPECT_EQ(given.underlay.interfaces, Words{"file"});
  EXPECT_EQ(given.underlay.public_ip, "192.0.2.2");
  EXPECT_EQ(given.underlay.regexes, Words{"^eth"});
  EXPECT_EQ(given.environment_file, path_);
}

TEST_F(EnvironmentOptionsTest, AValueThatTheFileHidesCausesAWarningWithoutTheValue) {
  write("FLANNELD_IFACE=eth0\nFLANNELD_ETCD_PASSWORD=new\nFLANNELD_ETCD_USERNAME=u\n");
  const Words hidden = {"FLANNELD_ETCD_PASSWORD=old", "FLANNELD_IFACE=eth0"};
  EXPECT_EQ(options({flag_}, hidden).warnings,
            Words{"FLANNELD_ETCD_PASSWORD of the environment is not used: " + path_ +
                  ":2 has another value"});
  EXPECT_EQ(options({flag_}, hidden).store.password.text, "new");
}

TEST_F(EnvironmentOptionsTest, ASecretThatEveryUserCanReadCausesAWarning) {
  write("FLANNELD_ETCD_PASSWORD=p\nFLANNELD_ETCD_USERNAME=u\n");
  EXPECT_EQ(options({flag_}).warnings, Words{});
  std::filesystem::permissions(path_, std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  EXPECT_EQ(options({flag_}).warnings,
            Words{"every user of this host can read " + path_ + ", which has a secret"});
  write("FLANNELD_ETCD_USERNAME=u\n");
  EXPECT_EQ(options({flag_}).warnings, Words{});
}

TEST_F(EnvironmentOptionsTest, AnEmptyVariableOfTheFileHidesThatOfTheEnvironment) {
  write("FLANNELD_IFACE=\n");
  EXPECT_EQ(options({flag_}, {"FLANNELD_IFACE=eth0"}).underlay.interfaces, Words{});
}

TEST_F(EnvironmentOptionsTest, AVariableThatIsRemovedFromTheFileDoesNotLiveOnInTheEnvironment) {
  write("FLANNELD_IFACE=eth0\nFLANNELD_V=2\n");
  // As systemd made it from the same file, and one variable that it has from elsewhere.
  OptionSource systemd =
      source({flag_}, {"FLANNELD_IFACE=eth0", "FLANNELD_V=2", "FLANNELD_IP_MASQ=true"});
  EXPECT_EQ(read(systemd).warnings, Words{});
  write("FLANNELD_V=4\n");
  const Options then = read(systemd);
  EXPECT_EQ(then.underlay.interfaces, Words{});
  EXPECT_EQ(then.verbosity, 4);
  EXPECT_TRUE(then.firewall.rules.masquerade);
  EXPECT_EQ(then.warnings, Words{}) << "the environment is older than the file";
}

TEST_F(EnvironmentOptionsTest, OnlyAfterADashTheFileMayBeMissing) {
  EXPECT_NE(mistake({flag_}).find("--environment-file: open " + path_), std::string::npos)
      << mistake({flag_});
  EXPECT_EQ(source({flag_}).read().error().kind, ErrorKind::not_found);
  EXPECT_EQ(options({"--environment-file=-" + path_}).environment_file, path_);
  EXPECT_EQ(mistake({"--environment-file=-"}), "--environment-file: names no file");
  EXPECT_EQ(options({}).environment_file, "");
}

TEST_F(EnvironmentOptionsTest, TheVariableNamesTheFileAsTheFlagDoes) {
  write("FLANNELD_V=2\n");
  EXPECT_EQ(options({}, {"FLANNELD_ENVIRONMENT_FILE=" + path_}).verbosity, 2);
  EXPECT_EQ(mistake({}, {"FLANNELD_ENVIRONMENT_FILE=/none"}).find("FLANNELD_ENVIRONMENT_FILE: "),
            0U);
  write("FLANNELD_ENVIRONMENT_FILE=" + path_ + "\n");
  EXPECT_EQ(options({flag_}).warnings, Words{});
  write("FLANNELD_ENVIRONMENT_FILE=/etc/other\n");
  const Options given = options({flag_});
  EXPECT_EQ(given.warnings, Words{"FLANNELD_ENVIRONMENT_FILE (" + path_ +
                                  ":1) has no effect: a file names no other file"});
  EXPECT_EQ(given.environment_file, path_);
}

TEST_F(EnvironmentOptionsTest, AMistakeNamesVariableFileAndLine) {
  write("# port\n\nFLANNELD_HEALTHZ_PORT=http\n");
  EXPECT_EQ(mistake({flag_}),
            "FLANNELD_HEALTHZ_PORT (" + path_ + ":3): \"http\" is not a whole number");
  write("FLANNELD_ETCD_PASSWORD='s3cret\n");
  EXPECT_EQ(mistake({flag_}),
            "--environment-file: " + path_ + ":1: the quote that begins here does not end");
}

TEST_F(EnvironmentOptionsTest, WhatIsNotReadInTheFileCausesAWarning) {
  write("FLANNELD_INTERFACE=eth0\nexport FLANNELD_V=2\n");
  const Options given = options({flag_});
  EXPECT_EQ(given.warnings,
            (Words{path_ + ":2 is not read: what stands before = is no name of a variable",
                   "FLANNELD_INTERFACE is not read, did you mean FLANNELD_IFACE?"}));
  EXPECT_EQ(given.skipped_lines, Words{given.warnings[0]});
}

TEST_F(EnvironmentOptionsTest, SettingsAreAllFlagsAndWhatElseCountsAtTheStart) {
  write("FLANNEL_OPTIONS=\"-v=2\"\nCONSUL_HTTP_ADDR=127.0.0.1:1\nPATH=/bin\nFLANNELD_IFACE=eth0\n");
  const Settings settings = options({flag_}).settings;
  EXPECT_EQ(settings.at("FLANNEL_OPTIONS"), Words{"-v=2"});
  EXPECT_EQ(settings.at("CONSUL_HTTP_ADDR"), Words{"127.0.0.1:1"});
  EXPECT_FALSE(settings.contains("PATH"));
  EXPECT_EQ(settings.at("--iface"), Words{"eth0"});
  EXPECT_EQ(settings.at("--v"), Words{"0"});
}

}  // namespace
}  // namespace flannel::environment_options_test
