// SPDX-License-Identifier: Apache-2.0
// The bodies of IPAM_CALLS are those that real engines send; it is the corpus of the fuzzer.
#include "docker/ipam_plugin.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "docker/docker_pools_file.h"

namespace flannel::ipam_plugin_test {
namespace {

using Json = nlohmann::ordered_json;

class OneNetwork : public PoolHost {
 public:
  std::vector<std::string> networks() override { return {""}; }
  Result<SubnetKey> subnets(const std::string&) override {
    return SubnetKey{IpPrefix::parse("10.5.34.0/24").value(),
                     IpPrefix::parse("fd00:5:0:22::/64").value()};
  }
  std::uint32_t mtu(const std::string&) override { return 1450; }
  std::string device_in(const IpPrefix&) override { return ""; }
  std::string route_over(const IpPrefix&) override { return ""; }
};

class IpamPluginTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/flannel-ipam-XXXXXX";
    folder_ = ::mkdtemp(name);
    start();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void start() { plugin_ = std::make_unique<IpamPlugin>(file(), host_); }
  std::string file() const { return folder_ + "/docker-pools.json"; }

  // The status and the body of the answer.
  std::string post(const std::string& path, const std::string& body = "") {
    std::string text;
    HttpRequest request{.method = "POST", .path = path, .query = {}, .body = body};
    plugin_->handler()(request, HttpReply([&](const HttpReply::Make& make) {
                         const HttpResponse response = make();
                         text = std::to_string(response.status) + " " + response.body;
                       }));
    return text;
  }

  OneNetwork host_;
  std::string folder_;
  std::unique_ptr<IpamPlugin> plugin_;
};

const char kPool[] = R"({"PoolID":"flannel/10.5.34.0/24","Address":"","Options":null})";

TEST_F(IpamPluginTest, AnswersWhatDockerAsks) {
  EXPECT_EQ(post("/Plugin.Activate"), R"(200 {"Implements":["NetworkDriver","IpamDriver"]})");
  EXPECT_EQ(post("/NetworkDriver.GetCapabilities"),
            R"(200 {"Scope":"local","ConnectivityScope":"global"})");
  EXPECT_EQ(post("/IpamDriver.GetCapabilities"),
            R"(200 {"RequiresMACAddress":false,"RequiresRequestReplay":true})");
  EXPECT_EQ(post("/IpamDriver.GetDefaultAddressSpaces"),
            R"(200 {"LocalDefaultAddressSpace":"flannel","GlobalDefaultAddressSpace":"flannel"})");
  EXPECT_EQ(post("/IpamDriver.RequestPool",
                 R"({"AddressSpace":"flannel","Pool":"","SubPool":"","Options":{},"V6":false})"),
            R"(200 {"PoolID":"flannel/10.5.34.0/24","Pool":"10.5.34.0/24","Data":{}})");
  EXPECT_EQ(
      post(
          "/IpamDriver.RequestAddress",
          R"({"PoolID":"flannel/10.5.34.0/24","Address":"","Options":{"RequestAddressType":"com.docker.network.gateway"}})"),
      R"(200 {"Address":"10.5.34.1/24","Data":{}})");
  EXPECT_EQ(post("/IpamDriver.RequestAddress", kPool),
            R"(200 {"Address":"10.5.34.2/24","Data":{}})");
  EXPECT_EQ(post("/IpamDriver.ReleaseAddress",
                 R"({"PoolID":"flannel/10.5.34.0/24","Address":"10.5.34.2"})"),
            "200 {}");
  EXPECT_EQ(post("/IpamDriver.ReleasePool", R"({"PoolID":"flannel/10.5.34.0/24"})"), "200 {}");
  EXPECT_TRUE(plugin_->pools().empty());
}

TEST_F(IpamPluginTest, WhatIsGivenOutIsOnDisk) {
  post("/IpamDriver.RequestPool", R"({"AddressSpace":"flannel","Pool":"","V6":true})");
  EXPECT_EQ(plugin_->pools().at(0).containers, 0U);
  const std::string pool = R"({"PoolID":"flannel/fd00:5:0:22::/64"})";
  EXPECT_EQ(post("/IpamDriver.RequestAddress", pool),
            R"(200 {"Address":"fd00:5:0:22::2/64","Data":{}})");
  start();
  EXPECT_EQ(post("/IpamDriver.RequestAddress", pool),
            R"(200 {"Address":"fd00:5:0:22::3/64","Data":{}})");
  EXPECT_EQ(plugin_->pools().at(0).containers, 2U);
  const auto state = decode_docker_pools(*read_file(file()));
  EXPECT_EQ(state->pools.at(0).containers(), 2U);
}

TEST_F(IpamPluginTest, WhatCannotBeWrittenDownIsNotGivenOut) {
  post("/IpamDriver.RequestPool", R"({"AddressSpace":"flannel","Pool":""})");
  std::filesystem::rename(folder_, folder_ + ".away");
  std::filesystem::create_symlink("/proc/1", folder_);
  EXPECT_EQ(post("/IpamDriver.RequestAddress", kPool).find(R"(200 {"Error":"flannel: write down)"),
            0U);
  std::filesystem::remove(folder_);
  std::filesystem::rename(folder_ + ".away", folder_);
  EXPECT_EQ(post("/IpamDriver.RequestAddress", kPool),
            R"(200 {"Address":"10.5.34.2/24","Data":{}})");
}

TEST_F(IpamPluginTest, ADamagedFileIsKeptAsideAndSaid) {
  ASSERT_TRUE(write_file_atomically(file(), "{", 0600));
  start();
  EXPECT_TRUE(plugin_->pools().empty());
  EXPECT_EQ(*read_file(file() + ".damaged"), "{");
}

TEST_F(IpamPluginTest, SaysWhichCommandIsMeant) {
  EXPECT_EQ(
      post("/NetworkDriver.CreateNetwork", R"({"NetworkID":"1a2b"})"),
      R"(200 {"Err":"flannel: there is no network driver flannel, but an IPAM driver for Docker's own bridges: docker network create --ipam-driver flannel -o com.docker.network.driver.mtu=1450 NAME"})");
  EXPECT_EQ(post("/NetworkDriver.DiscoverNew", "{}"),
            R"(404 {"Err":"flannel: there is no call \"/NetworkDriver.DiscoverNew\""})");
}

struct Bad {
  const char* path;
  const char* body;
  const char* said;
};

TEST_F(IpamPluginTest, RefusesWhatItCannotUse) {
  for (const auto& [path, body, said] : {
           Bad{"RequestPool", "", "cut off, as by a restart of flanneld; try again"},
           Bad{"RequestAddress", "", "cut off, as by a restart of flanneld; try again"},
           Bad{"ReleasePool", "", "was cut off"},
           Bad{"ReleaseAddress", "", "was cut off"},
           Bad{"RequestPool", "[]", "is no JSON object"},
           Bad{"RequestPool", "{", "is no JSON object"},
           Bad{"RequestPool", "{}", "is no address space of flannel"},
           Bad{"RequestPool", R"({"AddressSpace":"flannel","Pool":7})", "Pool of Docker's"},
           Bad{"RequestPool", R"({"AddressSpace":"flannel","Pool":"10.5"})", "--subnet: "},
           Bad{"RequestPool", R"({"AddressSpace":"flannel","V6":"yes"})", "V6 of Docker's"},
           Bad{"RequestPool", R"({"AddressSpace":"flannel","SubPool":"10.5.34.0/25"})",
               "--ip-range is not possible"},
           Bad{"RequestPool", R"({"AddressSpace":"flannel","Options":{"a\nb":"c"}})",
               R"(--ipam-opt \"a\\nb\" is not known)"},
           Bad{"RequestPool", R"({"AddressSpace":"flannel","Options":{"network":1}})",
               "is no text"},
           Bad{"RequestAddress", R"({"PoolID":"flannel/10.5.34.1/24"})", "is the id of no pool"},
           Bad{"RequestAddress", R"({"PoolID":"10.5.34.0/24"})", "is the id of no pool"},
           Bad{"RequestAddress", R"({"PoolID":"flannel/10.5.34.0/24","Address":"x"})", "x"},
           Bad{"ReleaseAddress", R"({"PoolID":"flannel/10.5.34.0/24"})", "Error"},
       }) {
    const std::string answer = post(std::string("/IpamDriver.") + path, body);
    EXPECT_EQ(answer.find(R"(200 {"Error":"flannel: )"), 0U) << answer;
    EXPECT_NE(answer.find(said), std::string::npos) << answer;
  }
}

// Each file has the path of a call in its first line, and its body after that.
TEST_F(IpamPluginTest, KnowsEveryCallOfRealEngines) {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(IPAM_CALLS)) {
    const std::string text = *read_file(entry.path().string());
    const std::size_t end = text.find('\n');
    const auto call = ipam::parse_call(text.substr(0, end), text.substr(end + 1));
    const bool is_refused = entry.path().filename().string().starts_with("odd");
    EXPECT_EQ(call.has_value(), !is_refused) << entry.path() << call.error().text;
    ++files;
  }
  EXPECT_GT(files, 20U);
}

}  // namespace
}  // namespace flannel::ipam_plugin_test
