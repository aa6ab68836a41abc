// SPDX-License-Identifier: Apache-2.0
#include "http/listen.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>

#include "http/server.h"
#include "support/temporary_folder.h"

namespace flannel::listen_test {
namespace {

Fd connect_to(const std::string& path) {
  Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), to.sun_path);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return Fd();
  return fd;
}

class UnixListenerTest : public ::testing::Test {
 protected:
  TemporaryFolder folder;
  std::string path = folder.path() + "/run/flanneld.sock";

  mode_t mode() const {
    struct stat there {};
    EXPECT_EQ(::stat(path.c_str(), &there), 0);
    return there.st_mode;
  }
};

TEST_F(UnixListenerTest, TheOwnerAndTheGroupMayConnect) {
  const auto listener = listen_unix(path, "no-such-group");
  ASSERT_TRUE(listener.has_value()) << listener.error().text;
  EXPECT_EQ(mode(), S_IFSOCK | 0660U);
  EXPECT_TRUE(connect_to(path));
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
}

TEST_F(UnixListenerTest, ASocketThatWasLeftIsReplaced) {
  ASSERT_TRUE(listen_unix(path, "").has_value());  // closed at once
  EXPECT_FALSE(connect_to(path));
  std::ofstream(path + ".new") << "left by a start that was killed";
  const auto again = listen_unix(path, "");
  ASSERT_TRUE(again.has_value()) << again.error().text;
  EXPECT_TRUE(connect_to(path));
}

TEST_F(UnixListenerTest, ASocketOnWhichAnotherProcessListensIsNotTaken) {
  const auto first = listen_unix(path, "");
  const auto second = listen_unix(path, "");
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().kind, ErrorKind::exists);
  EXPECT_EQ(second.error().text, "listen on " + path + ": another process listens there");
  EXPECT_TRUE(connect_to(path));
}

TEST_F(UnixListenerTest, AFileOfAnotherKindStays) {
  std::filesystem::create_directories(folder.path() + "/run");
  std::ofstream(path) << "precious";
  const auto listener = listen_unix(path, "");
  ASSERT_FALSE(listener.has_value());
  EXPECT_EQ(listener.error().kind, ErrorKind::conflict);
  EXPECT_EQ(std::filesystem::file_size(path), 8U);
}

TEST_F(UnixListenerTest, TheFileGoesWithItsProcessUnlessItIsAnothers) {
  {
    const auto listener = listen_unix(path, "").value();
    const UnixSocketFile file(path);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  Fd others;
  {
    Fd ours = listen_unix(path, "").value();
    const UnixSocketFile file(path);
    ours = Fd();
    others = listen_unix(path, "").value();
  }
  EXPECT_TRUE(connect_to(path));
}

TEST_F(UnixListenerTest, APathThatDoesNotFitIsRefused) {
  const auto listener = listen_unix(folder.path() + "/" + std::string(108, 'x'), "");
  ASSERT_FALSE(listener.has_value());
  EXPECT_EQ(listener.error().kind, ErrorKind::invalid);
}

TEST_F(UnixListenerTest, TheHandlerLearnsWhoAsks) {
  std::promise<std::optional<HttpPeer>> asked;
  std::vector<HttpService> services;
  services.push_back(
      {listen_unix(path, "").value(), [&asked](const HttpRequest& request, const HttpReply& reply) {
         asked.set_value(request.peer);
         reply({200, "ok"});
       }});
  const auto server = HttpServer::open(std::move(services)).value();
  const Fd client = connect_to(path);
  ASSERT_TRUE(client);
  ::send(client.get(), "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL);
  const auto peer = asked.get_future().get();
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->uid, ::getuid());
  EXPECT_EQ(peer->pid, ::getpid());
}

TEST(ListenTest, ATakenPortIsAnErrorThatNamesIt) {
  const auto first = listen_tcp("127.0.0.1", 0);
  ASSERT_TRUE(first.has_value());
  const auto second = listen_tcp("127.0.0.1", first->port);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().text, "listen on 127.0.0.1:" + std::to_string(first->port) +
                                     ": bind: Address already in use");
  EXPECT_EQ(second.error().kind, ErrorKind::exists);
}

TEST(ListenTest, AForeignAddressIsAnErrorThatNamesIt) {
  EXPECT_EQ(listen_tcp("192.0.2.1", 8080).error().text,
            "listen on 192.0.2.1:8080: bind: Cannot assign requested address");
  EXPECT_EQ(listen_tcp("localhost", 8080).error().text,
            "listen on localhost:8080: not an IP address");
}

}  // namespace
}  // namespace flannel::listen_test
