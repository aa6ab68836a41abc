// SPDX-License-Identifier: Apache-2.0
// What flannelctl says of an etcd that it cannot use.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <sstream>
#include <thread>

#include "base/fd.h"
#include "ctl/command_line.h"

namespace flannel::ctl_etcd_test {
namespace {

// Closes each connection as it comes.
class ClosingServer {
 public:
  ClosingServer() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_.get(), 16);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] {
      for (;;) {
        const Fd fd(::accept(listener_.get(), nullptr, nullptr));
        if (!fd) return;
        char bytes[4096];
        if (::recv(fd.get(), bytes, sizeof bytes, 0) < 0) return;
      }
    });
  }
  ~ClosingServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::string url;

 private:
  Fd listener_;
  std::thread thread_;
};

struct Said {
  int code = -1;
  std::string err;
};

Said ctl(const std::vector<std::string>& words) {
  std::istringstream in;
  std::ostringstream out, err;
  const auto no_environment = [](const std::string&) -> const char* { return nullptr; };
  const int code = run_ctl(words, no_environment, {in, out, err});
  return {code, err.str()};
}

TEST(CtlEtcdTest, TheNextStepIsTheOneThatTheReasonAsksFor) {
  const ClosingServer server;
  const Said said = ctl({"leases", "--etcd-endpoints=" + server.url});
  EXPECT_EQ(said.code, 1);
  EXPECT_EQ(said.err, "flannelctl: read /coreos.com/network: " + server.url +
                          ": the connection was closed without an answer; does the server want "
                          "https://?\n");
}

TEST(CtlEtcdTest, WithoutABetterReasonTheHintIsToCheckEndpointsAndEtcd) {
  const Said said = ctl({"leases", "--etcd-endpoints=http://127.0.0.1:1"});
  EXPECT_EQ(said.code, 1);
  EXPECT_EQ(said.err,
            "flannelctl: read /coreos.com/network: http://127.0.0.1:1: cannot connect: Connection "
            "refused; is --etcd-endpoints right, and does etcd run?\n");
}

TEST(CtlEtcdTest, WhatIsKnownWithoutEtcdIsAMistakeOfTheCommandLine) {
  for (const char* flag : {"--etcd-endpoints=http://127.0.0.1", "--etcd-endpoints=http://a:1;b:1",
                           "--etcd-endpoints=http://a:1/v2"}) {
    const Said said = ctl({"leases", flag});
    EXPECT_EQ(said.code, 2) << said.err;
    EXPECT_NE(said.err.find("--etcd-endpoints: endpoint "), std::string::npos) << said.err;
  }
  const Said said = ctl({"leases", "--etcd-endpoints=https://a:1", "--etcd-cafile=/nonexistent"});
  EXPECT_EQ(said.code, 2) << said.err;
}

}  // namespace
}  // namespace flannel::ctl_etcd_test
