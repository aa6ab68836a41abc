// SPDX-License-Identifier: Apache-2.0
#include "registry/store_flags.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "base/file.h"
#include "support/certificates.h"

namespace flannel::store_flags_test {
namespace {

using Words = std::vector<std::string>;

Result<ParsedStore> parse(const Words& arguments,
                          const std::map<std::string, std::string>& variables = {}) {
  StoreFlags texts;
  Flags flags;
  texts.define(flags);
  TRY(flags.parse(arguments));
  const auto environment = [&](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
  TRY(flags.read_environment("FLANNELD_", environment));
  return parse_store(texts, flags, environment);
}

std::string mistake(const Words& arguments) {
  const auto parsed = parse(arguments);
  return parsed ? "no mistake" : parsed.error().text;
}

TEST(StoreFlagsTest, WithoutFlagsItIsEtcdOnThisHost) {
  const auto parsed = parse({});
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->options.kind, StoreKind::etcd);
  EXPECT_EQ(parsed->options.etcd_api, EtcdApi::automatic);
  EXPECT_EQ(parsed->options.prefix, "/coreos.com/network");
  EXPECT_EQ(parsed->options.endpoints, (Words{"http://127.0.0.1:4001", "http://127.0.0.1:2379"}));
  EXPECT_TRUE(parsed->warnings.empty());
}

TEST(StoreFlagsTest, EveryEtcdFlagArrives) {
  const Certificates files;
  const auto parsed = parse({"-etcd-endpoints", " https://a:2379 , b:2379,", "-etcd-prefix=/x",
                             "-etcd-keyfile=" + files.key(), "-etcd-certfile=" + files.cert(),
                             "-etcd-cafile=" + files.ca(), "-etcd-username=u", "-etcd-api=2"},
                            {{"FLANNELD_ETCD_PASSWORD", "p"}});
  ASSERT_TRUE(parsed.has_value()) << parsed.error().text;
  const StoreOptions& options = parsed->options;
  EXPECT_EQ(options.endpoints, (Words{"https://a:2379", "b:2379"}));
  EXPECT_EQ(options.etcd_api, EtcdApi::v2);
  EXPECT_EQ(options.prefix, "/x");
  EXPECT_EQ((Words{options.key_file, options.cert_file, options.ca_file}),
            (Words{files.key(), files.cert(), files.ca()}));
  EXPECT_EQ(options.username + ":" + options.password.text, "u:p");
  EXPECT_TRUE(parsed->warnings.empty());
}

class PasswordFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/flannel-password-XXXXXX";
    folder = ::mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  std::string write(const std::string& text, mode_t mode = 0600) const {
    EXPECT_TRUE(write_file_atomically(folder + "/etcd-password", text, mode));
    return "--etcd-password-file=" + folder + "/etcd-password";
  }
  std::string folder;
};

TEST_F(PasswordFileTest, HoldsThePasswordAndMaybeANewline) {
  for (const char* text : {"s3cret", "s3cret\n", "s3cret\r\n"}) {
    const auto parsed = parse({"--etcd-username=u", write(text)});
    ASSERT_TRUE(parsed) << parsed.error().text;
    EXPECT_EQ(parsed->options.password.text, "s3cret");
    EXPECT_TRUE(parsed->warnings.empty());
  }
}

TEST_F(PasswordFileTest, CausesAWarningIfEveryUserCanReadIt) {
  const auto parsed = parse({"--etcd-username=u", write("s3cret", 0644)});
  ASSERT_EQ(parsed->warnings.size(), 1U);
  EXPECT_NE(parsed->warnings[0].find("every user of this host can read"), std::string::npos);
}

TEST_F(PasswordFileTest, ThatCannotServeIsNamedAndNotPrinted) {
  EXPECT_NE(mistake({"--etcd-username=u", "--etcd-password-file=/no/such"}).find("/no/such"),
            std::string::npos);
  for (const char* text : {"", "\n", "s3cret\nmore"}) {
    const std::string said = mistake({"--etcd-username=u", write(text)});
    EXPECT_NE(said.find("does not hold one line"), std::string::npos) << said;
    EXPECT_EQ(said.find("s3cret"), std::string::npos);
  }
  EXPECT_NE(mistake({write("s3cret")}).find("without --etcd-username"), std::string::npos);
  EXPECT_NE(mistake({"--etcd-username=u", "--etcd-password=p", write("s3cret")}).find("both given"),
            std::string::npos);
}

TEST_F(PasswordFileTest, MayBeACredentialOfTheServiceManager) {
  write("s3cret\n");
  const std::map<std::string, std::string> variables{{"CREDENTIALS_DIRECTORY", folder}};
  EXPECT_EQ(parse({"--etcd-username=u"}, variables)->options.password.text, "s3cret");
  EXPECT_EQ(parse({"--etcd-username=u", "--etcd-password=p"}, variables)->options.password.text,
            "p");
  EXPECT_EQ(parse({}, variables)->options.password.text, "") << "nobody asked for it";
  std::filesystem::remove(folder + "/etcd-password");
  EXPECT_EQ(parse({"--etcd-username=u"}, variables)->options.password.text, "");
}

TEST(StoreFlagsTest, APasswordOnTheCommandLineIsWarnedOf) {
  const auto parsed = parse({"--etcd-username=u", "--etcd-password=hunter2"});
  ASSERT_TRUE(parsed.has_value());
  ASSERT_EQ(parsed->warnings.size(), 1U);
  EXPECT_NE(parsed->warnings[0].find("FLANNELD_ETCD_PASSWORD"), std::string::npos);
  EXPECT_EQ(parsed->warnings[0].find("hunter2"), std::string::npos);
}

TEST(StoreFlagsTest, OtherStoresTakeAPathOrNothing) {
  const auto sqlite = parse({"--store=sqlite:/var/lib/flannel/flannel.db", "--etcd-prefix=/p"});
  ASSERT_TRUE(sqlite.has_value());
  EXPECT_EQ(sqlite->options.kind, StoreKind::sqlite);
  EXPECT_EQ(sqlite->options.sqlite_path, "/var/lib/flannel/flannel.db");
  EXPECT_EQ(sqlite->options.prefix, "/p");
  EXPECT_TRUE(sqlite->warnings.empty());
  EXPECT_EQ(parse({"--store", "memory"})->options.kind, StoreKind::memory);
}

TEST(StoreFlagsTest, EtcdFlagsBesideAnotherStoreAreWarnedOf) {
  const auto parsed = parse({"--store=memory", "--etcd-endpoints=http://a:1"});
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->warnings, Words{"--etcd-endpoints has no effect with --store=memory, unless "
                                    "the cluster moves to another store"});
}

TEST(StoreFlagsTest, APrefixThatIsHardlyMeantIsWarnedOf) {
  const auto warnings = [](const Words& arguments) { return parse(arguments).value().warnings; };
  EXPECT_EQ(
      warnings({"--etcd-prefix=coreos.com/network"}),
      Words{"--etcd-prefix: \"coreos.com/network\" does not begin with /; the configuration is "
            "looked for in the key \"coreos.com/network/config\""});
  EXPECT_EQ(warnings({"--etcd-prefix=/coreos.com/network/config/"}),
            Words{"--etcd-prefix: \"/coreos.com/network/config/\" names one of the keys, not what "
                  "they have in common; the configuration is looked for in the key "
                  "\"/coreos.com/network/config/config\""});
  EXPECT_EQ(warnings({"--etcd-prefix=/other//network/"}), Words{});
  EXPECT_NE(mistake({"--etcd-prefix='/coreos.com/network'"}).find("quotes around a value must go"),
            std::string::npos);
}

TEST(StoreFlagsTest, NamesThatEtcdctlHasAreKnown) {
  EXPECT_EQ(mistake({"--endpoints=http://x:1"}), "--endpoints is called --etcd-endpoints");
  EXPECT_EQ(mistake({"--cacert", "x"}), "--cacert is called --etcd-cafile");
  EXPECT_EQ(mistake({"--password=secret"}), "--password is called --etcd-password-file");
}

TEST(StoreFlagsTest, MistakesNameTheFlag) {
  for (const char* store : {"", "consul:", "sqlite", "sqlite:", "Etcd", "memory:x"}) {
    EXPECT_EQ(
        mistake({std::string("--store=") + store}),
        "--store: \"" + std::string(store) + "\" is none of etcd, consul, sqlite:PATH, memory");
  }
  EXPECT_EQ(mistake({"--etcd-endpoints= , "}), "--etcd-endpoints: names no endpoint");
  const std::pair<const char*, const char*> endpoints[] = {
      {"ftp://a:1", "neither http:// nor https://"},
      {"http://", "the port is missing (etcd has 2379, Consul 8500)"},
      {"http://172.31.0.1", "the port is missing (etcd has 2379, Consul 8500)"},
      {"HTTPS://a", "the port is missing (etcd has 2379, Consul 8500)"},
      {"http://a:0", "the port is no number from 1 to 65535"},
      {"http://a:1/v2/keys", "something follows the port: \"/v2/keys\"; give host and port alone"},
      {"/run/etcd", "something follows the port: \"/run/etcd\"; give host and port alone"},
      {"http://a:1;http://b:1", "endpoints are separated by commas, not by \";\""},
      {"a:1 b:1", "there is a blank in it; endpoints are separated by commas"},
      {"unix:", "the socket's path is missing"}};
  for (const auto& [endpoint, why] : endpoints) {
    EXPECT_EQ(mistake({std::string("--etcd-endpoints=http://fine:1,") + endpoint}),
              "--etcd-endpoints: endpoint \"" + std::string(endpoint) + "\": " + why);
  }
  EXPECT_EQ(mistake({"--etcd-endpoints=HTTP://fine:1,unix:///run/etcd"}), "no mistake");
  EXPECT_EQ(mistake({"--etcd-endpoints=unix:/run/etcd", "--etcd-api=2"}),
            "--etcd-endpoints: \"unix:/run/etcd\": --etcd-api=2 reaches etcd by TCP only");
  EXPECT_EQ(mistake({"--etcd-endpoints=http://root:hunter2@a:1"}),
            "--etcd-endpoints: user and password do not belong into an endpoint; etcd's are given "
            "by --etcd-username and --etcd-password");
  EXPECT_EQ(mistake({"--etcd-api=v2"}), "--etcd-api: \"v2\" is none of auto, 2, 3");
  EXPECT_EQ(mistake({"--etcd-keyfile=k"}),
            "--etcd-certfile and --etcd-keyfile go together, only one is given");
  EXPECT_EQ(mistake({"--etcd-password=p"}), "--etcd-password is given without --etcd-username");
}

TEST(StoreFlagsTest, TlsFilesThatCannotBeUsedAreAMistakeForEitherApi) {
  const Certificates files, others;
  for (const char* api : {"--etcd-api=2", "--etcd-api=3", "--etcd-api=auto"}) {
    EXPECT_EQ(mistake({api, "--etcd-endpoints=https://a:1", "--etcd-keyfile=" + others.key(),
                       "--etcd-certfile=" + files.cert()}),
              "--etcd-keyfile: " + others.key() + ": the key does not fit the certificate in " +
                  files.cert() + " of --etcd-certfile");
    EXPECT_EQ(mistake({api, "--etcd-endpoints=a:1", "--etcd-cafile=/nonexistent"}),
              "--etcd-cafile: open /nonexistent: No such file or directory");
  }
}

TEST(StoreFlagsTest, TlsFilesThatNoEndpointUsesAreWarnedOf) {
  const Certificates files;
  const auto parsed = parse({"--etcd-endpoints=http://a:1", "--etcd-cafile=" + files.ca()});
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(parsed->warnings,
            Words{"the TLS files are not used: no endpoint of --etcd-endpoints begins with "
                  "https://"});
}

}  // namespace
}  // namespace flannel::store_flags_test
