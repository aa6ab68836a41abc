// SPDX-License-Identifier: Apache-2.0
// What doctor says of a Docker, with a server in its place.
#include <gtest/gtest.h>

#include "ctl/doctor.h"
#include "http/server.h"
#include "support/temporary_folder.h"

namespace flannel::doctor_docker_test {
namespace {

class DoctorDockerTest : public ::testing::Test {
 protected:
  DoctorDockerTest() {
    daemon.own = {IpPrefix::parse("10.5.1.0/24").value()};
    daemon.mtu = 1450;
  }
  void start() {
    std::vector<HttpService> services;
    services.push_back(
        {listen_unix(socket, "").value(),
         [this](const HttpRequest& request, const HttpReply& reply) {
           reply({200, request.path == "/version" ? version : networks, "application/json"});
         },
         {}});
    server = HttpServer::open(std::move(services)).value();
  }
  // Docker has docker0, and a network `name` with our subnet and this MTU.
  void has(const std::string& name, const std::string& mtu) {
    const std::string options =
        mtu.empty() ? "null" : R"({"com.docker.network.driver.mtu":")" + mtu + "\"}";
    networks = R"([{"Name":"other","Driver":"bridge","IPAM":{"Config":[{"Subnet":"172.18.0.0/16"}]},
                    "Options":{"com.docker.network.driver.mtu":"9000"}},
                   {"Name":")" +
               name + R"(","Driver":"bridge","IPAM":{"Config":[{"Subnet":"10.5.1.0/24"}]},
                    "Options":)" +
               options + "}]";
  }
  doctor::Checks said() {
    doctor::Checks checks;
    doctor::check_docker(socket, daemon, checks);
    return checks;
  }

  TemporaryFolder folder;
  const std::string socket = folder.path() + "/docker.sock";
  std::string version = R"({"Version":"28.0.4"})", networks = "[]";
  DaemonView daemon;
  std::unique_ptr<HttpServer> server;
};

TEST_F(DoctorDockerTest, WithoutDockerNothingIsSaid) {
  EXPECT_TRUE(said().empty());
}

TEST_F(DoctorDockerTest, ItsReleaseIsEvidence) {
  start();
  const auto checks = said();
  ASSERT_EQ(checks.size(), 1U);
  EXPECT_EQ(checks[0].text, "Docker 28.0.4 answers at " + socket);
}

TEST_F(DoctorDockerTest, AnMtuThatTheOverlayCarriesIsWell) {
  start();
  for (const char* mtu : {"1450", "1400"}) {
    has("flannel", mtu);
    EXPECT_EQ(said().back().verdict, doctor::Verdict::ok) << mtu;
  }
}

TEST_F(DoctorDockerTest, ALargerMtuHasTheRemedyOfItsNetwork) {
  start();
  has("flannel", "1500");
  auto check = said().back();
  EXPECT_EQ(check.code, "docker-mtu");
  EXPECT_EQ(check.text, "Docker's network flannel has the MTU 1500, and the overlay 1450");
  EXPECT_NE(check.remedy.find("docker network rm flannel"), std::string::npos) << check.remedy;
  has("bridge", "");
  check = said().back();
  EXPECT_EQ(check.code, "docker-mtu");
  EXPECT_NE(check.remedy.find("restart Docker"), std::string::npos) << check.remedy;
}

TEST_F(DoctorDockerTest, AnyAnswerIsBorne) {
  start();
  for (const char* body : {"", "[]", "{}", R"({"Version":7})"}) {
    version = body;
    ASSERT_EQ(said().size(), 1U) << body;
    EXPECT_EQ(said()[0].verdict, doctor::Verdict::unknown) << body;
  }
  version = R"({"Version":"1\u001b[2J"})";
  networks = "{}";
  EXPECT_EQ(said()[0].text.find('\x1b'), std::string::npos);
  EXPECT_EQ(said()[1].verdict, doctor::Verdict::unknown);
}

}  // namespace
}  // namespace flannel::doctor_docker_test
