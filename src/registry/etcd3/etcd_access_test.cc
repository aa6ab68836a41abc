// SPDX-License-Identifier: Apache-2.0
// TLS, and users with passwords, against a real etcd.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "registry/open_registry.h"
#include "support/blocking_registry.h"
#include "support/certificates.h"
#include "support/etcd_server.h"
#include "support/temporary_folder.h"

namespace flannel::etcd_access_test {
namespace {

using std::chrono::seconds;

class EtcdAccess : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdServer::installed() || !program_installed("openssl")) {
      GTEST_SKIP() << "etcd, etcdctl and openssl are not all installed: TLS IS NOT TESTED";
    }
  }

  void start(std::optional<EtcdTls> tls = {}, std::vector<std::string> flags = {}) {
    etcd = EtcdServer::start(std::move(tls), {.v2 = true, .flags = std::move(flags)}).value();
    options.endpoints = {etcd->url()};
  }

  void start_with_tls(bool client_certificates) {
    start(EtcdTls{certificates.ca(), certificates.cert(), certificates.key(), client_certificates});
  }

  std::unique_ptr<BlockingRegistry> open() {
    return std::make_unique<BlockingRegistry>(open_registry(options, loop.loop()).value(), loop);
  }

  PatientLoop loop;
  std::unique_ptr<EtcdServer> etcd;
  StoreOptions options;
  Certificates certificates;
};

// Both APIs of etcd, of which each is another client of ours.
class EtcdAccessTest : public EtcdAccess, public ::testing::WithParamInterface<EtcdApi> {
 protected:
  void SetUp() override {
    EtcdAccess::SetUp();
    options.etcd_api = GetParam();
  }
};

INSTANTIATE_TEST_SUITE_P(Both, EtcdAccessTest, ::testing::Values(EtcdApi::v3, EtcdApi::v2),
                         [](const auto& api) { return api.param == EtcdApi::v2 ? "V2" : "V3"; });

TEST_P(EtcdAccessTest, ALoneCaIsEnoughForTls) {
  start_with_tls(false);
  options.ca_file = certificates.ca();
  const auto session = open();
  const auto empty = session->snapshot();
  ASSERT_TRUE(empty) << empty.error().text;
  WatchLog watch(*session, empty->revision, loop);
  ASSERT_TRUE(session->create(kOne, "one", kDay));
  EXPECT_TRUE(watch.reports("put"));
}

TEST_P(EtcdAccessTest, ABareEndpointUsesTlsIfThereAreFilesForIt) {
  start_with_tls(false);
  options.endpoints = {fmt::format("127.0.0.1:{}", etcd->port())};
  EXPECT_FALSE(open()->snapshot());
  options.ca_file = certificates.ca();
  EXPECT_TRUE(open()->snapshot());
}

TEST_P(EtcdAccessTest, AServerOfAnUnknownCaIsNotTrusted) {
  start_with_tls(false);
  const Certificates others;
  for (const std::string& ca : {std::string(), others.ca()}) {
    options.ca_file = ca;
    const auto refused = open()->snapshot();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::unavailable);
    EXPECT_NE(refused.error().text.find("certificate verify failed"), std::string::npos)
        << refused.error().text;
  }
}

TEST_P(EtcdAccessTest, ACertificateForAnotherNameIsNotTrusted) {
  start_with_tls(false);
  options.ca_file = certificates.ca();
  options.endpoints = {fmt::format("https://localhost:{}", etcd->port())};
  EXPECT_FALSE(open()->snapshot());
}

TEST_P(EtcdAccessTest, AClientCertificateIsSentIfTheServerAsksForOne) {
  start_with_tls(true);
  options.ca_file = certificates.ca();
  EXPECT_EQ(open()->snapshot().error().kind, ErrorKind::unavailable);
  options.cert_file = certificates.cert();
  options.key_file = certificates.key();
  const auto all = open()->snapshot();
  EXPECT_TRUE(all) << all.error().text;
}

TEST_P(EtcdAccessTest, RenewedCertificatesAreTakenUpWithoutARestart) {
  start_with_tls(true);
  options.ca_file = certificates.ca();
  options.cert_file = certificates.cert();
  options.key_file = certificates.key();
  const auto session = open();
  ASSERT_TRUE(session->snapshot());
  etcd->stop();
  certificates.make();  // another CA too
  ASSERT_TRUE(etcd->start_again());
  const auto all = session->snapshot();
  EXPECT_TRUE(all) << all.error().text;
}

TEST_P(EtcdAccessTest, PlaintextIsSpokenToHttpWhateverFilesAreGiven) {
  start();
  options.ca_file = certificates.ca();
  options.cert_file = certificates.cert();  // and no key
  const auto all = open()->snapshot();
  EXPECT_TRUE(all) << all.error().text;
}

TEST_P(EtcdAccessTest, UnreadableFilesAreAnErrorAtOnce) {
  options.endpoints = {"https://127.0.0.1:2379"};
  options.ca_file = "/nonexistent/ca.pem";
  const auto opened = open_registry(options, loop.loop());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().text,
            "--etcd-cafile: open /nonexistent/ca.pem: No such file or directory");
}

TEST_P(EtcdAccessTest, TlsFilesThatCannotBeReadAnyMoreAreWarnedOfOnce) {
  start_with_tls(false);
  const TemporaryFolder folder;
  options.ca_file = folder.path() + "/ca.pem";
  ASSERT_TRUE(write_file_atomically(options.ca_file, read_file(certificates.ca()).value(), 0600));
  const auto session = open();
  ASSERT_TRUE(session->snapshot());
  ASSERT_TRUE(write_file_atomically(options.ca_file, "", 0600));
  etcd->stop();
  testing::internal::CaptureStderr();
  EXPECT_FALSE(session->snapshot());
  EXPECT_FALSE(session->snapshot());
  const std::string log = testing::internal::GetCapturedStderr();
  const auto warning = log.find(options.ca_file + ": the file is empty");
  EXPECT_NE(warning, std::string::npos) << log;
  EXPECT_EQ(warning, log.rfind(options.ca_file)) << log;
  ASSERT_TRUE(etcd->start_again());
  EXPECT_TRUE(session->snapshot()) << "with the old ones";
}

class EtcdUserTest : public EtcdAccess {
 protected:
  void SetUp() override {
    EtcdAccess::SetUp();
    if (IsSkipped()) return;
    start({}, {"--auth-token-ttl", "2"});
    ctl({"user", "add", "root:rootpw"});
    ctl({"user", "grant-role", "root", "root"});
    ctl({"user", "add", "flannel:s3cret"});
    ctl({"role", "add", "flannel"});
    ctl({"role", "grant-permission", "flannel", "--prefix=true", "readwrite",
         "/coreos.com/network"});
    ctl({"user", "grant-role", "flannel", "flannel"});
  }

  void enable() {
    ctl({"auth", "enable"});
    etcd->with_ctl_flags({"--user", "root:rootpw"});
  }

  void ctl(const std::vector<std::string>& arguments) {
    const auto done = etcd->ctl(arguments);
    ASSERT_TRUE(done) << done.error().text;
  }

  std::unique_ptr<BlockingRegistry> open_as(const std::string& user) {
    options.username = user;
    return open();
  }
  std::unique_ptr<BlockingRegistry> open_as(const std::string& user, const std::string& password) {
    options.password = {password, {}};
    return open_as(user);
  }
};

TEST_F(EtcdUserTest, AUserWithThePasswordMayDoEverything) {
  enable();
  const auto session = open_as("flannel", "s3cret");
  WatchLog early(*session, 1, loop);  // the token is fetched for a watch too
  const WriteResult held = session->create(kOne, "one", kDay).value();
  EXPECT_TRUE(session->renew(record_of(kOne, "one", held), kDay));
  EXPECT_TRUE(session->write_config("{}", 0));
  EXPECT_TRUE(session->release(record_of(kOne, "one", held)));
  EXPECT_TRUE(early.reports("gone")) << early.text() << early.error().text;
  EXPECT_TRUE(session->snapshot());
}

TEST_F(EtcdUserTest, AWrongPasswordIsDeniedAndNotRepeated) {
  enable();
  const auto session = open_as("flannel", "wr0ng");
  const auto refused = session->snapshot();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::denied);
  EXPECT_NE(refused.error().text.find("authenticate as flannel"), std::string::npos)
      << refused.error().text;
  EXPECT_EQ(refused.error().text.find("wr0ng"), std::string::npos) << refused.error().text;
  WatchLog watch(*session, 1, loop);
  ASSERT_TRUE(watch.reports("disconnected"));
  EXPECT_EQ(watch.error().kind, ErrorKind::denied);
}

TEST_F(EtcdUserTest, WithoutAUserNameACallIsDenied) {
  enable();
  EXPECT_EQ(open()->snapshot().error().kind, ErrorKind::denied);
}

TEST_F(EtcdUserTest, WithoutPermissionAWatchIsDeniedToo) {
  enable();
  options.prefix = "/other/network";
  const auto session = open_as("flannel", "s3cret");
  EXPECT_EQ(session->snapshot().error().kind, ErrorKind::denied);
  WatchLog watch(*session, 1, loop);
  ASSERT_TRUE(watch.reports("disconnected"));
  EXPECT_EQ(watch.error().kind, ErrorKind::denied) << watch.error().text;
}

TEST_F(EtcdUserTest, ATokenThatEtcdForgotIsFetchedAnew) {
  enable();
  const auto session = open_as("flannel", "s3cret");
  const Snapshot all = session->snapshot().value();
  etcd->stop();  // its tokens are in its memory only
  ASSERT_TRUE(etcd->start_again());
  // The first may still meet the broken connection; none is left waiting with a dead token.
  ASSERT_TRUE(session->create(kOne, "one", kDay));
  WatchLog watch(*session, all.revision, loop);
  EXPECT_TRUE(watch.reports("put"));
}

TEST_F(EtcdUserTest, ATokenThatExpiredIsFetchedAnew) {
  enable();
  const auto session = open_as("flannel", "s3cret");
  const Record one = record_of(kOne, "one", session->create(kOne, "one", kDay).value());
  WatchLog watch(*session, one.revision, loop);
  ASSERT_TRUE(session->renew(one, kDay));  // its stream keeps the token that it began with
  for (int tries = 0; tries < 5 && session->registry().failures().denied == 0; ++tries) {
    loop.pass(seconds(3));
    const auto renewed = session->renew(one, kDay);
    ASSERT_TRUE(renewed) << renewed.error().text;
  }
  EXPECT_GE(session->registry().failures().denied, 1U) << "no token has expired";
  ASSERT_TRUE(session->write_config("{}", 0));
  EXPECT_TRUE(watch.reports("config"));
  EXPECT_EQ(watch.count("disconnected"), 0) << watch.error().text;
}

TEST_F(EtcdUserTest, APasswordThatChangesInItsFileIsTakenUpWithoutARestart) {
  enable();
  const TemporaryFolder folder;
  const std::string file = folder.path() + "/password";
  ASSERT_TRUE(write_file_atomically(file, "s3cret\n", 0600));
  options.password = Password::read(file).value();
  const auto session = open_as("flannel");
  ASSERT_TRUE(session->snapshot());
  ctl({"user", "delete", "flannel"});
  ctl({"user", "add", "flannel:changed"});
  ctl({"user", "grant-role", "flannel", "flannel"});
  EXPECT_EQ(session->snapshot().error().kind, ErrorKind::denied) << "the file has the old one";
  ASSERT_TRUE(write_file_atomically(file, "", 0600));
  testing::internal::CaptureStderr();
  EXPECT_EQ(session->snapshot().error().kind, ErrorKind::denied) << "and now none";
  EXPECT_EQ(session->snapshot().error().kind, ErrorKind::denied);
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find(file), std::string::npos) << log;
  EXPECT_EQ(log.find(file), log.rfind(file)) << "said twice: " << log;
  ASSERT_TRUE(write_file_atomically(file, "changed\n", 0600));
  const auto all = session->snapshot();
  EXPECT_TRUE(all) << all.error().text;
  // What etcd refused each time: the token of before, then twice the password.
  EXPECT_GE(session->registry().failures().denied, 3U);
}

TEST_F(EtcdUserTest, AuthenticationMayBeSwitchedOnUnderARunningRegistry) {
  const auto session = open_as("flannel", "s3cret");
  ASSERT_TRUE(session->snapshot()) << "a user is given, though etcd asks for none";
  enable();
  const auto all = session->snapshot();
  EXPECT_TRUE(all) << all.error().text;
}

}  // namespace
}  // namespace flannel::etcd_access_test
