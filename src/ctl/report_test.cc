// SPDX-License-Identifier: Apache-2.0
// The archive for a bug report, with a server in place of the daemon, and with neither.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>
#include <sstream>

#include "base/file.h"
#include "base/gzip.h"
#include "ctl/command.h"
#include "ctl/report_parts.h"
#include "ctl/tar_archive.h"
#include "http/server.h"
#include "support/temporary_folder.h"

namespace flannel::report_test {
namespace {

std::string unzipped(const std::string& file) {
  return gunzipped(read_file(file).value(), 1 << 24).value();
}

// The texts of the files of a tar archive, by name.
std::map<std::string, std::string> files_of(const std::string& tar) {
  std::map<std::string, std::string> files;
  for (std::size_t at = 0; at + 512 <= tar.size() && tar[at] != '\0';) {
    const std::size_t size = std::stoul(tar.substr(at + 124, 11), nullptr, 8);
    files[tar.substr(at, 100).c_str()] = tar.substr(at + 512, size);
    at += 512 + (size + 511) / 512 * 512;
  }
  return files;
}

class ReportTest : public ::testing::Test {
 protected:
  void serve() {
    std::vector<HttpService> services;
    services.push_back({listen_unix(options.control_socket, "").value(),
                        [this](const HttpRequest& request, const HttpReply& reply) {
                          reply({200, answers[request.path], "application/json"});
                        },
                        HttpLimits()});
    server = HttpServer::open(std::move(services)).value();
  }
  std::map<std::string, std::string> report() {
    std::istringstream in;
    std::ostringstream err;
    out.str("");
    const auto done = run_report(options, {in, out, err});
    EXPECT_TRUE(done) << done.error().text;
    return files_of(unzipped(options.output));
  }

  TemporaryFolder folder;
  std::ostringstream out;
  CtlOptions options = [this] {
    CtlOptions made;
    made.control_socket = folder.path() + "/flanneld.sock";
    made.output = folder.path() + "/report.tar.gz";
    made.store.kind = StoreKind::sqlite;
    made.store.sqlite_path = folder.path() + "/none.db";
    made.store.password.text = "hunter2";
    return made;
  }();
  std::map<std::string, std::string> answers = {
      {"/v1/status", R"({"version":1,"why":"GET http://u:topsecret@192.0.2.1: no hunter2"})"},
      {"/v1/options", R"({"version":1,"options":{"--etcd-password":["topsecret"]}})"},
      {"/v1/metrics", R"({"version":1,"metrics":"flannel_up 1\n"})"},
      {"/v1/peers", R"({"version":1,"peers":[{"psk":"topsecret","public_ip":"192.0.2.2"}]})"},
      {"/v1/diff", R"({"version":1})"},
      {"/v1/events",
       R"({"version":1,"events":[{"fields":{"key":"-----BEGIN PRIVATE KEY-----\ntopsecret"}}]})"}};
  std::unique_ptr<HttpServer> server;
};

TEST_F(ReportTest, EachPartIsAFileWithoutSecrets) {
  serve();
  const auto files = report();
  EXPECT_EQ(files.size(), report_parts().size());
  for (const auto& [name, text] : files) {
    EXPECT_EQ(text.find("topsecret"), std::string::npos) << name << ": " << text;
    EXPECT_EQ(text.find("hunter2"), std::string::npos) << name << ": " << text;
  }
  EXPECT_EQ(files.at("flannel-report/metrics.txt"), "flannel_up 1\n");
  EXPECT_NE(files.at("flannel-report/peers.json").find("192.0.2.2"), std::string::npos);
  EXPECT_NE(files.at("flannel-report/status.json").find("http://(hidden)@192.0.2.1"),
            std::string::npos);
  struct stat found {};
  ASSERT_EQ(::stat(options.output.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0600U);
  EXPECT_NE(out.str().find("written to " + options.output), std::string::npos);
}

TEST_F(ReportTest, WithoutADaemonAndAStoreTheReasonsAreInPlace) {
  const auto files = report();
  EXPECT_EQ(files.size(), report_parts().size());
  EXPECT_TRUE(files.at("flannel-report/status.json").starts_with("error: no flanneld answers"));
  EXPECT_TRUE(files.at("flannel-report/config.json").starts_with("error: "));
  EXPECT_TRUE(files.at("flannel-report/release.txt").starts_with("flannelctl v"));
  EXPECT_NE(out.str().find("not there: no flanneld answers"), std::string::npos) << out.str();
}

TEST_F(ReportTest, AnAnonymousReportHasOtherAddresses) {
  serve();
  options.anonymous = true;
  const auto files = report();
  EXPECT_NE(files.at("flannel-report/status.json").find("http://(hidden)@198.18.1.1"),
            std::string::npos)
      << files.at("flannel-report/status.json");
  EXPECT_NE(files.at("flannel-report/peers.json").find("198.18.1.2"), std::string::npos);
}

TEST_F(ReportTest, TheListNamesEachPartAndMakesNoFile) {
  options.list = true;
  std::istringstream in;
  std::ostringstream err;
  ASSERT_TRUE(run_report(options, {in, out, err}));
  for (const ReportPart& part : report_parts())
    EXPECT_NE(out.str().find(part.name), std::string::npos) << part.name;
  EXPECT_EQ(read_file(options.output).error().kind, ErrorKind::not_found);
}

TEST(TarArchiveTest, AHeaderHasItsSumAndAFileIsPadded) {
  const ArchiveFile files[] = {{"folder/a", "text"}};
  const std::string tar = tar_of(files, 1);
  ASSERT_EQ(tar.size(), 4 * 512U);
  std::string header = tar.substr(0, 512);
  EXPECT_EQ(header.substr(257, 8), std::string("ustar\00000", 8));
  const unsigned long sum = std::stoul(header.substr(148, 6), nullptr, 8);
  header.replace(148, 8, 8, ' ');
  unsigned long wanted = 0;
  for (const char c : header)
    wanted += static_cast<unsigned char>(c);
  EXPECT_EQ(sum, wanted);
  EXPECT_EQ(tar.substr(512), "text" + std::string(3 * 512 - 4, '\0'));
}

}  // namespace
}  // namespace flannel::report_test
