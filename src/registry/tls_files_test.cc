// SPDX-License-Identifier: Apache-2.0
#include "registry/tls_files.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "support/certificates.h"
#include "support/temporary_folder.h"

namespace flannel::tls_files_test {
namespace {

class TlsFilesTest : public ::testing::Test {
 protected:
  static std::string mistake(const TlsFiles& files) {
    const auto material = read_tls_files(files);
    if (material) return "no mistake";
    EXPECT_EQ(material.error().kind, ErrorKind::invalid) << material.error().text;
    return material.error().text;
  }
  std::string file(const std::string& name, const std::string& text) {
    const std::string path = folder.path() + "/" + name;
    EXPECT_TRUE(write_file_atomically(path, text, 0600));
    return path;
  }
  TlsFiles good() const { return {certificates.key(), certificates.cert(), certificates.ca()}; }

  Certificates certificates;
  TemporaryFolder folder;
};

TEST_F(TlsFilesTest, GoodFilesAreTaken) {
  const auto material = read_tls_files(good());
  ASSERT_TRUE(material) << material.error().text;
  EXPECT_EQ(material->ca, read_file(certificates.ca()).value());
  EXPECT_EQ(material->key, read_file(certificates.key()).value());
  const auto alone = read_tls_files({.key = "", .cert = "", .ca = certificates.ca()});
  ASSERT_TRUE(alone) << alone.error().text;
  EXPECT_EQ(alone->key, "");
}

TEST_F(TlsFilesTest, ACertificateWithoutItsKeyIsRefused) {
  const char* text = "--etcd-certfile and --etcd-keyfile go together, only one is given";
  EXPECT_EQ(mistake({.key = "", .cert = certificates.cert(), .ca = ""}), text);
  EXPECT_EQ(mistake({.key = certificates.key(), .cert = "", .ca = ""}), text);
}

TEST_F(TlsFilesTest, AFolderOfAuthoritiesIsReadAsAWhole) {
  const TemporaryFolder authorities;
  const Certificates second;
  std::filesystem::copy_file(certificates.ca(), authorities.path() + "/1.pem");
  std::filesystem::copy_file(second.ca(), authorities.path() + "/2.pem");
  ASSERT_TRUE(write_file_atomically(authorities.path() + "/README", "no certificate\n", 0600));
  const auto material = read_tls_files({.key = "", .cert = "", .ca = authorities.path()});
  ASSERT_TRUE(material) << material.error().text;
  for (const std::string& ca : {certificates.ca(), second.ca()})
    EXPECT_NE(material->ca.find(read_file(ca).value()), std::string::npos) << ca;
  const TemporaryFolder empty;
  EXPECT_EQ(mistake({.key = "", .cert = "", .ca = empty.path()}),
            "--etcd-cafile: " + empty.path() + ": no file of the folder has a certificate");
}

TEST_F(TlsFilesTest, AKeyOfAnotherCertificateIsNamedWithBothFiles) {
  const Certificates others;
  TlsFiles files = good();
  files.key = others.key();
  EXPECT_EQ(mistake(files), "--etcd-keyfile: " + others.key() +
                                ": the key does not fit the certificate in " + certificates.cert() +
                                " of --etcd-certfile");
}

TEST_F(TlsFilesTest, SwappedFilesAreNamedAsSwapped) {
  TlsFiles files = good();
  std::swap(files.key, files.cert);
  EXPECT_NE(mistake(files).find("they are swapped"), std::string::npos) << mistake(files);
}

TEST_F(TlsFilesTest, TheErrorNamesTheContentOfAWrongFile) {
  const std::string empty = file("empty", "\n");
  const std::string text = file("text", "hello");
  const std::string damaged =
      file("damaged", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  struct Case {
    TlsFiles files;
    std::string mistake;
  };
  const std::string key = certificates.key(), cert = certificates.cert(), ca = certificates.ca();
  for (const auto& [files, expected] : std::initializer_list<Case>{
           {{cert, cert, ca},
            "--etcd-keyfile: " + cert + ": there is a certificate in it, and no key"},
           {{empty, cert, ca}, "--etcd-keyfile: " + empty + ": the file is empty"},
           {{text, cert, ca}, "--etcd-keyfile: " + text + ": it is not a PEM file"},
           {{key, key, ca},
            "--etcd-certfile: " + key + ": there is a key in it, and no certificate"},
           {{key, empty, ca}, "--etcd-certfile: " + empty + ": the file is empty"},
           {{key, cert, key},
            "--etcd-cafile: " + key + ": there is a key in it, and no certificate"},
           {{key, cert, empty}, "--etcd-cafile: " + empty + ": the file is empty"},
           {{key, cert, text}, "--etcd-cafile: " + text + ": it is not a PEM file"},
           {{key, cert, damaged},
            "--etcd-cafile: " + damaged + ": there is a certificate in it that is damaged"}}) {
    EXPECT_EQ(mistake(files), expected);
  }
}

TEST_F(TlsFilesTest, AFileThatIsNotThereIsNamedWithItsFlag) {
  const auto absent = read_tls_files({.key = "", .cert = "", .ca = folder.path() + "/none"});
  EXPECT_EQ(absent.error().text,
            "--etcd-cafile: open " + folder.path() + "/none: No such file or directory");
}

// OpenSSL opens the terminal of the process by itself to ask for a pass phrase.
TEST_F(TlsFilesTest, AnEncryptedKeyCausesNoPrompt) {
  TlsFiles files = good();
  files.key = certificates.encrypted_key();
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_NE(mistake(files).find(files.key + ": the key is encrypted"), std::string::npos)
      << mistake(files);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10));
}

TEST_F(TlsFilesTest, CertificatesOutOfTheirTimeAreDoubted) {
  const TlsMaterial material = read_tls_files(good()).value();
  const auto now = std::chrono::system_clock::now();
  EXPECT_TRUE(doubts_about(material, good(), now).empty());
  const std::vector<std::string> expired = {
      "--etcd-certfile: " + certificates.cert() + ": the certificate has expired",
      "--etcd-cafile: " + certificates.ca() + ": the certificate has expired"};
  EXPECT_EQ(doubts_about(material, good(), now + std::chrono::hours(24 * 3)), expired);
  const auto early = doubts_about(material, good(), now - std::chrono::hours(24));
  ASSERT_EQ(early.size(), 2U);
  EXPECT_NE(early[0].find("not valid yet"), std::string::npos) << early[0];
}

TEST_F(TlsFilesTest, BadNewFilesLeaveTheOldOnesInUseAndAreLoggedOnce) {
  const std::string ca = file("ca.pem", read_file(certificates.ca()).value());
  const TlsFiles files{.key = "", .cert = "", .ca = ca};
  TlsSource source(files, read_tls_files(files).value());
  file("ca.pem", "");
  testing::internal::CaptureStderr();
  EXPECT_EQ(source.now()->ca, read_file(certificates.ca()).value());
  EXPECT_EQ(source.now()->ca, read_file(certificates.ca()).value());
  const std::string log = testing::internal::GetCapturedStderr();
  const auto said = log.find("--etcd-cafile: " + ca + ": the file is empty");
  EXPECT_NE(said, std::string::npos) << log;
  EXPECT_EQ(said, log.rfind("--etcd-cafile")) << log;
  const Certificates renewed;
  file("ca.pem", read_file(renewed.ca()).value());
  EXPECT_EQ(source.now()->ca, read_file(renewed.ca()).value());
}

}  // namespace
}  // namespace flannel::tls_files_test
