// SPDX-License-Identifier: Apache-2.0
// A real Consul behind TLS, which wants client certificates.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "registry/open_registry.h"
#include "support/blocking_registry.h"
#include "support/certificates.h"
#include "support/consul_server.h"

namespace flannel::consul_tls_test {
namespace {

class ConsulTlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (ConsulServer::program().empty()) {
      GTEST_SKIP() << "FLANNEL_CONSUL names no Consul: Consul with TLS IS NOT TESTED";
    }
  }

  void start(const Certificates& files) {
    consul = ConsulServer::start(fmt::format(R"("ca_file":"{}","cert_file":"{}","key_file":"{}",)"
                                             R"("verify_incoming_https":true,)",
                                             files.ca(), files.cert(), files.key()))
                 .value();
  }

  ConsulOptions options(const Certificates& files) const {
    ConsulOptions options;
    options.endpoints = {consul->tls_url()};
    options.ca_file = files.ca();
    options.cert_file = files.cert();
    options.key_file = files.key();
    return options;
  }

  std::unique_ptr<BlockingRegistry> open(const ConsulOptions& with) {
    StoreOptions options;
    options.kind = StoreKind::consul;
    options.consul = with;
    return std::make_unique<BlockingRegistry>(open_registry(options, loop.loop()).value(), loop);
  }

  // The reason of a failure to read the store.
  std::string reason(const ConsulOptions& with) {
    const auto all = open(with)->snapshot();
    return all ? "none" : all.error().text;
  }

  PatientLoop loop;
  std::unique_ptr<ConsulServer> consul;
};

TEST_F(ConsulTlsTest, AClientCertificateIsShownAndItsAbsenceIsNamed) {
  const Certificates files;
  start(files);
  const auto session = open(options(files));
  ASSERT_TRUE(session->write_config("{}", 0));
  WatchLog watch(*session, session->snapshot().value().revision, loop);
  ASSERT_TRUE(session->create(kOne, "one", kDay));
  EXPECT_TRUE(watch.reports("put " + kOne));
  ConsulOptions without = options(files);
  without.cert_file = without.key_file = "";
  EXPECT_NE(reason(without).find("give --consul-certfile and --consul-keyfile"), std::string::npos)
      << reason(without);
  ConsulOptions other = options(files);
  const Certificates stranger;
  other.ca_file = stranger.ca();
  EXPECT_NE(reason(other).find("is --consul-cafile the authority"), std::string::npos)
      << reason(other);
}

TEST_F(ConsulTlsTest, TheCertificateMayHaveANameOfConsuls) {
  const Certificates files("server", "DNS:server.dc1.consul");
  start(files);
  ConsulOptions named = options(files);
  EXPECT_NE(reason(named).find("127.0.0.1 is not among its names"), std::string::npos)
      << reason(named);
  named.server_name = "server.dc1.consul";
  EXPECT_EQ(reason(named), "none");
}

TEST_F(ConsulTlsTest, NewCertificatesAreUsedWithoutARestart) {
  Certificates files;
  start(files);
  const auto session = open(options(files));
  ASSERT_TRUE(session->create(kOne, "one", kDay));
  files.make();  // with another authority
  consul->stop();
  ASSERT_TRUE(consul->start_again());
  const auto all = session->snapshot();
  ASSERT_TRUE(all) << all.error().text;
  EXPECT_EQ(all->records.size(), 1U);
}

}  // namespace
}  // namespace flannel::consul_tls_test
