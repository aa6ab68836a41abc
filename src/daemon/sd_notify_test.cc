// SPDX-License-Identifier: Apache-2.0
#include "daemon/sd_notify.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace flannel {
namespace {

// A service manager's end: a datagram socket on a path, or on "@name".
class Manager {
 public:
  explicit Manager(std::string address)
      : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    address.copy(at.sun_path, sizeof at.sun_path);
    if (at.sun_path[0] == '@') at.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&at), length), 0);
  }

  // The next message, "none" if there is none.
  std::string heard() {
    char text[512];
    const ssize_t got = ::recv(socket_.get(), text, sizeof text, 0);
    return got < 0 ? "none" : std::string(text, static_cast<std::size_t>(got));
  }

 private:
  Fd socket_;
};

class ServiceNotifierTest : public testing::Test {
 protected:
  ServiceNotifierTest() {
    char name[] = "/tmp/flannel-notify-XXXXXX";
    folder = ::mkdtemp(name);
  }
  ~ServiceNotifierTest() override { std::filesystem::remove_all(folder); }
  std::string folder;
};

TEST_F(ServiceNotifierTest, TheManagerHearsReadyStatusAndStopping) {
  Manager manager(folder + "/notify");
  ServiceNotifier notifier(folder + "/notify");
  notifier.status("waiting for the store");
  EXPECT_EQ(manager.heard(), "STATUS=waiting for the store");
  notifier.ready("10.5.1.0/24");
  EXPECT_EQ(manager.heard(), "READY=1\nSTATUS=10.5.1.0/24");
  notifier.stopping();
  EXPECT_EQ(manager.heard(), "STOPPING=1\nSTATUS=stopping; the data plane stays");
}

TEST_F(ServiceNotifierTest, TheSameStatusIsSentOnceAndCannotForgeAnotherLine) {
  Manager manager(folder + "/notify");
  ServiceNotifier notifier(folder + "/notify");
  notifier.status("bad record \nREADY=1");
  EXPECT_EQ(manager.heard(), "STATUS=bad record \\nREADY=1");
  notifier.status("bad record \nREADY=1");
  EXPECT_EQ(manager.heard(), "none");
}

TEST_F(ServiceNotifierTest, AnAbstractSocketIsReachedToo) {
  const std::string address = "@flannel-notify-" + std::to_string(::getpid());
  Manager manager(address);
  ServiceNotifier(address).ready("up");
  EXPECT_EQ(manager.heard(), "READY=1\nSTATUS=up");
}

TEST_F(ServiceNotifierTest, TheVariableIsReadOnceAndRemoved) {
  Manager manager(folder + "/notify");
  ::setenv("NOTIFY_SOCKET", (folder + "/notify").c_str(), 1);
  auto notifier = ServiceNotifier::from_environment();
  EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr);
  notifier.ready("up");
  EXPECT_EQ(manager.heard(), "READY=1\nSTATUS=up");
}

TEST_F(ServiceNotifierTest, WithoutAManagerOrWithAnOddAddressNothingHappens) {
  auto unasked = ServiceNotifier::from_environment();
  unasked.ready("up");
  ServiceNotifier odd("vsock:2:1234");
  odd.ready("up");
  ServiceNotifier too_long("/" + std::string(107, 'x'));
  too_long.ready("up");
  ServiceNotifier gone(folder + "/nobody-listens");
  gone.stopping();
}

}  // namespace
}  // namespace flannel
