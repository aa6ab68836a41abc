// SPDX-License-Identifier: Apache-2.0
#include "daemon/sd_notify.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

namespace flannel::sd_notify_test {
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

  // The next message and how many descriptors came with it: "FDSTORE=1\nFDNAME=x +2".
  std::string take_message_with_fds() {
    char text[512];
    alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))];
    iovec part{text, sizeof text};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(socket_.get(), &header, 0);
    if (got < 0) return "none";
    const cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    std::size_t count = 0;
    if (rights != nullptr) {
      count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (std::size_t i = 0; i < count; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(rights) + i * sizeof fd, sizeof fd);
        EXPECT_EQ(::fcntl(fd, F_GETFD), 0) << "a copy that is open";
        ::close(fd);
      }
    }
    return std::string(text, static_cast<std::size_t>(got)) + " +" + std::to_string(count);
  }

  // The next message, "none" if there is none.
  std::string take_message() {
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

TEST_F(ServiceNotifierTest, TheManagerReceivesReadyStatusAndStopping) {
  Manager manager(folder + "/notify");
  ServiceNotifier notifier(folder + "/notify");
  notifier.status("waiting for the store");
  EXPECT_EQ(manager.take_message(), "STATUS=waiting for the store");
  notifier.ready("10.5.1.0/24");
  EXPECT_EQ(manager.take_message(), "READY=1\nSTATUS=10.5.1.0/24");
  notifier.stopping();
  EXPECT_EQ(manager.take_message(), "STOPPING=1\nSTATUS=stopping; the data plane stays");
}

TEST_F(ServiceNotifierTest, TheManagerKeepsDescriptorsInPlaceOfEarlierOnes) {
  Manager manager(folder + "/notify");
  ServiceNotifier notifier(folder + "/notify");
  std::vector<Fd> fds;
  for (int n = 0; n < 2; ++n)
    fds.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  notifier.keep("udp-queues", fds);
  EXPECT_EQ(manager.take_message_with_fds(), "FDSTOREREMOVE=1\nFDNAME=udp-queues +0");
  EXPECT_EQ(manager.take_message_with_fds(), "FDSTORE=1\nFDNAME=udp-queues +2");
  notifier.keep("udp-queues", {});
  EXPECT_EQ(manager.take_message_with_fds(), "FDSTOREREMOVE=1\nFDNAME=udp-queues +0");
  EXPECT_EQ(manager.take_message_with_fds(), "none");
}

TEST_F(ServiceNotifierTest, TheSameStatusIsSentOnceAndCannotForgeAnotherLine) {
  Manager manager(folder + "/notify");
  ServiceNotifier notifier(folder + "/notify");
  notifier.status("bad record \nREADY=1");
  EXPECT_EQ(manager.take_message(), "STATUS=bad record \\nREADY=1");
  notifier.status("bad record \nREADY=1");
  EXPECT_EQ(manager.take_message(), "none");
}

TEST_F(ServiceNotifierTest, AnAbstractSocketIsReachedToo) {
  const std::string address = "@flannel-notify-" + std::to_string(::getpid());
  Manager manager(address);
  ServiceNotifier(address).ready("up");
  EXPECT_EQ(manager.take_message(), "READY=1\nSTATUS=up");
}

TEST_F(ServiceNotifierTest, TheVariableIsReadOnceAndRemoved) {
  Manager manager(folder + "/notify");
  ::setenv("NOTIFY_SOCKET", (folder + "/notify").c_str(), 1);
  auto notifier = ServiceNotifier::from_environment();
  EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr);
  notifier.ready("up");
  EXPECT_EQ(manager.take_message(), "READY=1\nSTATUS=up");
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
}  // namespace flannel::sd_notify_test
