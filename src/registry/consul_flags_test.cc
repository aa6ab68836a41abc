// SPDX-License-Identifier: Apache-2.0
#include "registry/consul_flags.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "base/file.h"
#include "registry/store_flags.h"
#include "support/certificates.h"

namespace flannel::consul_flags_test {
namespace {

using Words = std::vector<std::string>;
using Variables = std::map<std::string, std::string>;

Result<ParsedStore> parse(Words arguments, const Variables& variables = {}) {
  StoreFlags texts;
  Flags flags;
  texts.define(flags);
  arguments.insert(arguments.begin(), "--store=consul");
  TRY(flags.parse(arguments));
  const auto environment = [&](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
  TRY(flags.read_environment("FLANNELD_", environment));
  return parse_store(texts, flags, environment);
}

std::string mistake(const Words& arguments, const Variables& variables = {}) {
  const auto parsed = parse(arguments, variables);
  return parsed ? "no mistake" : parsed.error().text;
}

Words endpoints(const Words& arguments, const Variables& variables = {}) {
  return parse(arguments, variables).value().options.consul.endpoints;
}

TEST(ConsulFlagsTest, WithoutFlagsTheAgentOfThisHostIsAsked) {
  const auto parsed = parse({});
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(parsed->options.kind, StoreKind::consul);
  EXPECT_EQ(parsed->options.consul.endpoints, Words{"http://127.0.0.1:8500"});
  EXPECT_EQ(parsed->options.consul.node, "flannel");
  EXPECT_EQ(parsed->options.consul.token.text, "");
  EXPECT_TRUE(parsed->warnings.empty());
}

TEST(ConsulFlagsTest, EveryFlagArrives) {
  const Certificates files;
  const auto parsed =
      parse({"--consul-endpoints=https://a:8501, https://b:8501", "--consul-keyfile=" + files.key(),
             "--consul-certfile=" + files.cert(), "--consul-cafile=" + files.ca(),
             "--consul-datacenter=east", "--consul-namespace=net", "--consul-node=pods"});
  ASSERT_TRUE(parsed) << parsed.error().text;
  const ConsulOptions& options = parsed->options.consul;
  EXPECT_EQ(options.endpoints, (Words{"https://a:8501", "https://b:8501"}));
  EXPECT_EQ((Words{options.key_file, options.cert_file, options.ca_file}),
            (Words{files.key(), files.cert(), files.ca()}));
  EXPECT_EQ((Words{options.datacenter, options.name_space, options.node}),
            (Words{"east", "net", "pods"}));
  EXPECT_TRUE(parsed->warnings.empty());
}

TEST(ConsulFlagsTest, TheVariablesOfConsulStandInForFlags) {
  const Certificates files;
  const auto parsed = parse({}, {{"CONSUL_HTTP_ADDR", "agent:8501"},
                                 {"CONSUL_HTTP_SSL", "true"},
                                 {"CONSUL_HTTP_TOKEN", "secret"},
                                 {"CONSUL_CACERT", files.ca()},
                                 {"CONSUL_CLIENT_CERT", files.cert()},
                                 {"CONSUL_CLIENT_KEY", files.key()},
                                 {"CONSUL_TLS_SERVER_NAME", "server.dc1.consul"},
                                 {"CONSUL_NAMESPACE", "net"}});
  ASSERT_TRUE(parsed) << parsed.error().text;
  const ConsulOptions& options = parsed->options.consul;
  EXPECT_EQ(options.endpoints, Words{"https://agent:8501"});
  EXPECT_EQ(options.token.text, "secret");
  EXPECT_EQ((Words{options.key_file, options.cert_file, options.ca_file}),
            (Words{files.key(), files.cert(), files.ca()}));
  EXPECT_EQ(options.server_name, "server.dc1.consul");
  EXPECT_EQ(options.name_space, "net");
}

TEST(ConsulFlagsTest, AFlagCountsBeforeAVariable) {
  const Variables variables{{"CONSUL_HTTP_ADDR", "http://other:1"}, {"CONSUL_NAMESPACE", "other"}};
  EXPECT_EQ(endpoints({"--consul-endpoints=http://a:1"}, variables), Words{"http://a:1"});
  EXPECT_EQ(parse({"--consul-namespace=net"}, variables)->options.consul.name_space, "net");
  EXPECT_EQ(endpoints({}, {{"FLANNELD_CONSUL_ENDPOINTS", "http://a:1"},
                           {"CONSUL_HTTP_ADDR", "http://other:1"}}),
            Words{"http://a:1"});
}

TEST(ConsulFlagsTest, AnAddressGetsItsSchemeFromTheVariable) {
  const auto address = [](const char* text, const char* tls) {
    return endpoints({}, {{"CONSUL_HTTP_ADDR", text}, {"CONSUL_HTTP_SSL", tls}}).front();
  };
  EXPECT_EQ(address("a:1", ""), "http://a:1");
  EXPECT_EQ(address("a:1", "0"), "http://a:1");
  EXPECT_EQ(address("a:1", "1"), "https://a:1");
  EXPECT_EQ(address("http://a:1", "TRUE"), "https://a:1") << "as `consul` does";
  EXPECT_EQ(address("https://a:1", "false"), "https://a:1");
  EXPECT_EQ(address("", "true"), "https://127.0.0.1:8500");
}

TEST(ConsulFlagsTest, WhatCannotServeIsNamed) {
  EXPECT_EQ(mistake({"--consul-endpoints=,"}), "--consul-endpoints: names no endpoint");
  EXPECT_NE(mistake({"--consul-endpoints=http://a"}).find("Consul 8500"), std::string::npos);
  EXPECT_EQ(mistake({}, {{"CONSUL_HTTP_SSL", "yes"}}),
            "CONSUL_HTTP_SSL: \"yes\" is neither true nor false");
  EXPECT_EQ(mistake({"--consul-endpoints=https://a:1", "--consul-keyfile=k"}),
            "--consul-certfile and --consul-keyfile go together, only one is given");
  EXPECT_NE(mistake({"--consul-endpoints=https://a:1", "--consul-cafile=/dev/null"})
                .find("--consul-cafile: /dev/null: "),
            std::string::npos);
}

TEST(ConsulFlagsTest, TheAgentMayListenAtAUnixSocket) {
  for (const char* ssl : {"false", "true"}) {
    const auto parsed =
        parse({}, {{"CONSUL_HTTP_ADDR", "unix:///run/consul"}, {"CONSUL_HTTP_SSL", ssl}}).value();
    EXPECT_EQ(parsed.options.consul.endpoints, Words{"unix:///run/consul"});
    EXPECT_EQ(parsed.warnings, Words{});
  }
  EXPECT_EQ(mistake({"--consul-endpoints=unix:"}),
            "--consul-endpoints: endpoint \"unix:\": the socket's path is missing");
}

TEST(ConsulFlagsTest, WhatHasNoEffectIsWarnedOf) {
  const auto warnings = [](const Words& words, const Variables& variables = {}) {
    return parse(words, variables).value().warnings;
  };
  EXPECT_EQ(warnings({"--etcd-endpoints=http://a:1"}),
            Words{"--etcd-endpoints has no effect with --store=consul, unless the cluster moves to "
                  "another store"});
  EXPECT_EQ(warnings({"--store=memory", "--consul-node=n"}),
            Words{"--consul-node has no effect with --store=memory, unless the cluster moves to "
                  "another store"});
  EXPECT_EQ(warnings({}, {{"CONSUL_HTTP_SSL_VERIFY", "false"}}).size(), 1U);
  EXPECT_EQ(warnings({"--consul-node="}).size(), 1U);
  EXPECT_EQ(warnings({"--etcd-prefix=coreos.com/network"}), Words{}) << "Consul's way to write it";
}

class ConsulTokenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/flannel-token-XXXXXX";
    folder = ::mkdtemp(name);
    EXPECT_TRUE(write_file_atomically(folder + "/consul-token", "of the file\n", 0600));
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  static std::string token(const Words& words, const Variables& variables) {
    return parse(words, variables).value().options.consul.token.text;
  }
  std::string folder;
};

TEST_F(ConsulTokenTest, AFileCountsBeforeTheVariableAndTheCredential) {
  const std::string file = folder + "/consul-token";
  EXPECT_EQ(token({"--consul-token-file=" + file}, {{"CONSUL_HTTP_TOKEN", "t"}}), "of the file");
  EXPECT_EQ(token({}, {{"CONSUL_HTTP_TOKEN_FILE", file}, {"CONSUL_HTTP_TOKEN", "t"}}),
            "of the file");
  EXPECT_EQ(token({}, {{"CONSUL_HTTP_TOKEN", "t"}, {"CREDENTIALS_DIRECTORY", folder}}), "t");
  EXPECT_EQ(token({}, {{"CREDENTIALS_DIRECTORY", folder}}), "of the file");
  EXPECT_EQ(token({}, {{"CREDENTIALS_DIRECTORY", "/tmp/no-such-folder"}}), "");
  EXPECT_NE(mistake({"--consul-token-file=/no/such"}).find("read the Consul token"),
            std::string::npos);
}

}  // namespace
}  // namespace flannel::consul_flags_test
