// SPDX-License-Identifier: Apache-2.0
// What an operator can get wrong on the way to etcd, and what is said then: the same for both APIs,
// and soon.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <latch>

#include "registry/open_registry.h"
#include "support/blocking_registry.h"
#include "support/certificates.h"
#include "support/etcd_server.h"
#include "support/temporary_folder.h"

namespace flannel::etcd_mistakes_test {
namespace {

using std::chrono::seconds;

// Accepts nothing any more and refuses nothing: SYNs are dropped, as by a firewall.
class SilentPort {
 public:
  SilentPort() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_.get(), 0);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    url = url_of(ntohs(address.sin_port));
    for (Fd& fd : filling_) {
      fd = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size);
    }
  }
  std::string url;

 private:
  Fd listener_;
  Fd filling_[4];
};

// A name server that never answers, until the test ends.
class SilentNames {
 public:
  ~SilentNames() { over_->count_down(); }
  std::shared_ptr<Resolver> resolver() const {
    return std::make_shared<Resolver>([over = over_](const std::string&) {
      over->wait();
      return Result<Resolver::Addresses>(Resolver::Addresses{"127.0.0.1"});
    });
  }

 private:
  std::shared_ptr<std::latch> over_ = std::make_shared<std::latch>(1);
};

class EtcdMistakesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdServer::installed() || !program_installed("openssl")) {
      GTEST_SKIP() << "etcd, etcdctl and openssl are not all installed: MISTAKES ARE NOT TESTED";
    }
  }

  void start(const Certificates& of, bool client_certificates = false) {
    etcd =
        EtcdServer::start(EtcdTls{of.ca(), of.cert(), of.key(), client_certificates}, {.v2 = true})
            .value();
    options.endpoints = {etcd->url()};
    options.ca_file = of.ca();
  }

  // Why a list fails, by one API.
  std::string mistake(EtcdApi api) {
    options.etcd_api = api;
    BlockingRegistry session(open_registry(options, loop.loop()).value(), loop);
    const auto all = session.snapshot();
    return all ? "no mistake" : all.error().text;
  }
  // The same whatever the API.
  std::string mistake() {
    const std::string by_v3 = mistake(EtcdApi::v3);
    EXPECT_EQ(mistake(EtcdApi::v2), by_v3);
    EXPECT_EQ(mistake(EtcdApi::automatic), by_v3);
    return by_v3;
  }
  std::string at(const std::string& url) const { return "read /coreos.com/network: " + url + ": "; }

  PatientLoop loop;
  std::unique_ptr<EtcdServer> etcd;
  StoreOptions options;
};

TEST_F(EtcdMistakesTest, HttpToAPortForTls) {
  const Certificates certificates;
  start(certificates);
  options.endpoints = {url_of(etcd->port())};
  EXPECT_EQ(mistake(),
            at(options.endpoints[0]) +
                "the connection was closed without an answer; does the server want https://?");
}

TEST_F(EtcdMistakesTest, HttpsToAPortWithoutTls) {
  etcd = EtcdServer::start({}, {.v2 = true}).value();
  const Certificates certificates;
  options.ca_file = certificates.ca();
  options.endpoints = {fmt::format("https://127.0.0.1:{}", etcd->port())};
  EXPECT_EQ(mistake(),
            at(options.endpoints[0]) + "the server does not speak TLS; does it want http://?");
}

TEST_F(EtcdMistakesTest, TheClientCertificateIsMissing) {
  const Certificates certificates;
  start(certificates, true);
  EXPECT_EQ(mistake(), at(etcd->url()) +
                           "the server wants a client certificate: give --etcd-certfile and "
                           "--etcd-keyfile");
}

TEST_F(EtcdMistakesTest, TheClientCertificateIsAStrangers) {
  const Certificates certificates, others;
  start(certificates, true);
  options.cert_file = others.cert();
  options.key_file = others.key();
  EXPECT_EQ(mistake(),
            at(etcd->url()) + "the server does not take the client certificate of --etcd-certfile");
}

TEST_F(EtcdMistakesTest, TheCaIsAnother) {
  const Certificates certificates, others;
  start(certificates);
  options.ca_file = others.ca();
  const std::string why = mistake();
  EXPECT_TRUE(why.starts_with(at(etcd->url()) + "certificate verify failed: ")) << why;
  EXPECT_NE(why.find("is --etcd-cafile the authority that signed it?"), std::string::npos) << why;
}

// Where a name stands in the certificate's subject only, an address in it is no address.
TEST_F(EtcdMistakesTest, TheAddressIsInTheCommonNameAlone) {
  const Certificates certificates("127.0.0.1", "");
  start(certificates);
  EXPECT_EQ(mistake(), at(etcd->url()) +
                           "certificate verify failed: 127.0.0.1 is not among its names (it has "
                           "none); give an endpoint that is");
}

TEST_F(EtcdMistakesTest, TheCertificateIsForOtherNames) {
  const Certificates certificates("etcd", "DNS:etcd1.example,IP:192.0.2.7");
  start(certificates);
  EXPECT_EQ(mistake(), at(etcd->url()) +
                           "certificate verify failed: 127.0.0.1 is not among its names "
                           "(etcd1.example, 192.0.2.7); give an endpoint that is");
}

// What gRPC connects to is an address by then.
TEST_F(EtcdMistakesTest, TheNameOfTheEndpointIsFoundInTheCertificate) {
  const Certificates certificates("etcd", "DNS:etcd1.example");
  start(certificates);
  options.resolver = std::make_shared<Resolver>([](const std::string&) {
    return Result<Resolver::Addresses>(Resolver::Addresses{"127.0.0.1"});
  });
  options.endpoints = {fmt::format("https://etcd1.example:{}", etcd->port())};
  EXPECT_EQ(mistake(), "no mistake");
}

TEST_F(EtcdMistakesTest, AnEndpointWithoutAListenerIsAnError) {
  const ReservedPort nobody;
  options.endpoints = {url_of(nobody.number())};
  EXPECT_EQ(mistake(), at(options.endpoints[0]) + "cannot connect: Connection refused");
}

TEST_F(EtcdMistakesTest, TheNameDoesNotExist) {
  options.endpoints = {"http://etcd1.invalid:2379"};
  const std::string why = mistake();
  EXPECT_TRUE(
      why.starts_with(at("http://etcd1.invalid:2379") + "etcd1.invalid cannot be resolved: "))
      << why;
}

TEST_F(EtcdMistakesTest, ASilentAddressIsAnErrorWithinSeconds) {
  const SilentPort silent;
  options.endpoints = {silent.url};
  for (const EtcdApi api : {EtcdApi::v3, EtcdApi::v2, EtcdApi::automatic}) {
    const TimePoint begun = BootClock::now();
    const std::string why = mistake(api);
    EXPECT_EQ(why, at(silent.url) + "no answer in time");
    EXPECT_LT(BootClock::now() - begun, seconds(9)) << why;
  }
}

TEST_F(EtcdMistakesTest, ASilentNameServerIsAnErrorWithinSeconds) {
  const SilentNames names;
  options.resolver = names.resolver();
  options.endpoints = {"http://etcd1:2379"};
  for (const EtcdApi api : {EtcdApi::v3, EtcdApi::v2, EtcdApi::automatic}) {
    const TimePoint begun = BootClock::now();
    EXPECT_EQ(mistake(api), at("http://etcd1:2379") +
                                "etcd1 cannot be resolved: no answer from the name server in time");
    EXPECT_LT(BootClock::now() - begun, seconds(9));
  }
}

TEST_F(EtcdMistakesTest, BesideANameThatCannotBeResolvedTheNextEndpointServes) {
  etcd = EtcdServer::start({}, {.v2 = true}).value();
  const SilentNames names;
  options.resolver = names.resolver();
  options.endpoints = {"http://etcd1:2379", etcd->url()};
  for (const EtcdApi api : {EtcdApi::v3, EtcdApi::v2, EtcdApi::automatic}) {
    EXPECT_EQ(mistake(api), "no mistake");
  }
}

// What "etcd --proxy" of API v2 is to the client of v3.
TEST_F(EtcdMistakesTest, AConfigurationUnderV2BehindAProxyOfV2IsPointedAt) {
  etcd = EtcdServer::start({}, {.v2 = true}).value();
  const TemporaryFolder folder;
  const ReservedPort port;
  auto proxy = ChildProcess::start(
      {"etcd", "--proxy", "on", "--data-dir", folder.path() + "/proxy", "--listen-client-urls",
       url_of(port.number()), "--initial-cluster", "default=" + etcd->peer_url()},
      folder.path() + "/log");
  ASSERT_TRUE(proxy);
  ASSERT_TRUE(run_command({"curl", "-s", "-XPUT", "-d", "value={}",
                           etcd->url() + "/v2/keys/coreos.com/network/config"}));
  options.endpoints = {url_of(port.number())};
  ASSERT_TRUE(loop.until([&] {
    loop.pass(std::chrono::milliseconds(100));
    return mistake(EtcdApi::v2) == "no mistake";
  }));
  const std::string why = mistake(EtcdApi::automatic);
  EXPECT_NE(why.find("answers HTTP/1 only"), std::string::npos) << why;
  EXPECT_NE(why.find("give --etcd-api=2"), std::string::npos) << why;
}

// No error is ever read as "there is none".
TEST_F(EtcdMistakesTest, WithoutAConfigurationUnderV3TheErrorOfV2IsNamed) {
  etcd = EtcdServer::start({}, {.v2 = true}).value();
  options.endpoints = {etcd->url()};
  ASSERT_TRUE(run_command(
      {"curl", "-s", "-XPUT", "-d", "value={}", etcd->url() + "/v2/keys/coreos.com/network"}));
  EXPECT_NE(mistake(EtcdApi::automatic).find("there is a value where the directory should be"),
            std::string::npos)
      << mistake(EtcdApi::automatic);
}

}  // namespace
}  // namespace flannel::etcd_mistakes_test
