// SPDX-License-Identifier: Apache-2.0
#include "docker/docker_socket.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "base/fd.h"
#include "http/listen.h"
#include "loop/epoll_loop.h"
#include "loop/timer.h"
#include "support/temporary_folder.h"

namespace flannel::docker_socket_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Answers on a unix socket as an engine does, one request on each connection.
class Server {
 public:
  // `answer`: "200 BODY".
  Server(const std::string& path, std::string answer)
      : listener_(listen_unix(path, "").value()), answer_(std::move(answer)) {
    thread_ = std::thread([this] { accept_all(); });
  }
  ~Server() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::string last_request() {
    const std::lock_guard lock(mutex_);
    return request_;
  }

 private:
  void accept_all() {
    for (;;) {
      pollfd wait{listener_.get(), POLLIN, 0};
      ::poll(&wait, 1, -1);
      const Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd) return;
      serve(fd.get());
    }
  }
  void serve(int fd) {
    char bytes[4096];
    const ssize_t got = ::recv(fd, bytes, sizeof bytes, 0);
    {
      const std::lock_guard lock(mutex_);
      request_.assign(bytes, got > 0 ? static_cast<std::size_t>(got) : 0);
    }
    const std::string body = answer_.substr(4);
    const std::string text = "HTTP/1.1 " + answer_.substr(0, 3) +
                             " X\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                             body;
    ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    ::shutdown(fd, SHUT_WR);
    while (::recv(fd, bytes, sizeof bytes, 0) > 0) {
    }
  }

  Fd listener_;
  std::string answer_;
  std::mutex mutex_;
  std::string request_;
  std::thread thread_;
};

class DockerSocketTest : public testing::Test {
 protected:
  std::string path() const { return folder.path() + "/docker.sock"; }
  void start(const std::string& answer) { server = std::make_unique<Server>(path(), answer); }
  void write_pid(const std::string& pid) const {
    std::ofstream(folder.path() + "/docker.pid") << pid;
  }
  Result<std::vector<DockerNetwork>> list() {
    std::optional<Result<std::vector<DockerNetwork>>> all;
    docker.list([&](auto got) { all = std::move(got); });
    until([&] { return all.has_value(); });
    return *all;
  }
  // Runs the loop until `reached`, or for some seconds.
  void until(const std::function<bool()>& reached) {
    Timer poll(*loop, [&] { check(poll, reached, BootClock::now() + seconds(10)); });
    check(poll, reached, BootClock::now() + seconds(10));
    EXPECT_TRUE(loop->run());
    EXPECT_TRUE(reached());
  }
  void check(Timer& poll, const std::function<bool()>& reached, TimePoint end) {
    if (reached() || BootClock::now() > end) return loop->stop();
    poll.arm(BootClock::now() + milliseconds(5));
  }

  TemporaryFolder folder;
  std::unique_ptr<EpollLoop> loop = EpollLoop::open().value();
  std::unique_ptr<Server> server;
  DockerSocket docker{path(), *loop};
};

TEST_F(DockerSocketTest, ListsNetworks) {
  start(R"(200 [{"Name":"flannel","Driver":"bridge"}])");
  const auto all = list();
  ASSERT_TRUE(all.has_value()) << all.error().text;
  EXPECT_EQ(all->at(0).name, "flannel");
  EXPECT_TRUE(server->last_request().starts_with("GET /networks HTTP/1.1\r\n"));
}

TEST_F(DockerSocketTest, WithoutASocketTheReasonNamesIt) {
  const auto all = list();
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(all.error().text,
            "list Docker's networks: " + path() + ": cannot connect: No such file or directory");
}

TEST_F(DockerSocketTest, AFolderThatMayNotBeEnteredHidesTheSocket) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  start("200 []");
  std::filesystem::permissions(folder.path(), std::filesystem::perms::owner_all);
  EXPECT_EQ(docker.signs("docker-x").hidden, "");
  ASSERT_EQ(::seteuid(65534), 0);
  const DockerSigns signs = docker.signs("docker-x");
  ASSERT_EQ(::seteuid(0), 0);
  EXPECT_FALSE(signs.socket);
  EXPECT_NE(signs.hidden.find("permission denied"), std::string::npos) << signs.hidden;
}

TEST_F(DockerSocketTest, AnAnswerThatDoesNotComeIsNotLaidToTls) {
  Fd listener = listen_unix(path(), "").value();
  std::thread closer([&listener] { const Fd fd(::accept(listener.get(), nullptr, nullptr)); });
  const auto all = list();
  closer.join();
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().text.find("https"), std::string::npos) << all.error().text;
}

TEST_F(DockerSocketTest, ARefusalHasDockersWords) {
  start(R"(403 {"message":"not for you"})");
  std::optional<Result<void>> made;
  docker.make({.name = "flannel", .subnet = {}, .mtu = 1450, .overlay = {}},
              [&](Result<void> result) { made = std::move(result); });
  until([&] { return made.has_value(); });
  EXPECT_EQ(made->error().kind, ErrorKind::invalid);
  EXPECT_EQ(made->error().text, "make Docker's network flannel: Docker answers 403: not for you");
}

TEST_F(DockerSocketTest, TheSignsChangeWithSocketPidFileAndBridge) {
  EXPECT_EQ(docker.signs("no-such-device"), DockerSigns());
  EXPECT_EQ(docker.signs("lo").bridge, 1U);
  start("200 []");
  const DockerSigns with_socket = docker.signs("no-such-device");
  EXPECT_TRUE(with_socket.socket && !with_socket.pid_file);
  write_pid("1");
  const DockerSigns first = docker.signs("no-such-device");
  EXPECT_TRUE(first.pid_file);
  std::this_thread::sleep_for(milliseconds(20));  // the kernel's clock for files has ticked
  write_pid("2");
  EXPECT_NE(docker.signs("no-such-device").pid_file, first.pid_file);
}

}  // namespace
}  // namespace flannel::docker_socket_test
