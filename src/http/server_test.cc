// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "base/fd.h"

namespace flannel {
namespace {

Fd connect_to(std::uint16_t port) {
  Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  return fd;
}

// All that comes until the server closes.
std::string receive_all(const Fd& fd) {
  std::string text;
  char chunk[4096];
  for (;;) {
    const ssize_t got = ::recv(fd.get(), chunk, sizeof chunk, 0);
    if (got <= 0) return text;
    text.append(chunk, static_cast<std::size_t>(got));
  }
}

std::string ask(std::uint16_t port, const std::string& request) {
  const Fd fd = connect_to(port);
  EXPECT_EQ(::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  return receive_all(fd);
}

std::string status_line(const std::string& response) {
  return response.substr(0, response.find("\r\n"));
}

std::string body(const std::string& response) {
  const auto at = response.find("\r\n\r\n");
  return at == std::string::npos ? "no end of the headers" : response.substr(at + 4);
}

HttpResponse echo(const HttpRequest& request) {
  if (request.path == "/busy") return {503, "wait\n"};
  std::string text = request.method + " " + request.path;
  for (const auto& [name, value] : request.query)
    text.append(" ").append(name + "=" + value);
  return {200, text};
}

class HttpServerTest : public testing::Test {
 protected:
  void start(Duration for_connection = std::chrono::hours(1)) {
    auto opened = HttpServer::open("127.0.0.1", 0, echo, for_connection);
    ASSERT_TRUE(opened.has_value()) << opened.error().text;
    server = *std::move(opened);
  }
  std::unique_ptr<HttpServer> server;
};

TEST_F(HttpServerTest, AnswersWhatTheHandlerSays) {
  start();
  const auto fine = ask(server->port(), "GET /a%20b?verbose&x=1 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(status_line(fine), "HTTP/1.1 200 OK");
  EXPECT_EQ(body(fine), "GET /a b verbose= x=1");
  EXPECT_NE(fine.find("Content-Type: text/plain; charset=utf-8\r\n"), std::string::npos);
  const auto busy = ask(server->port(), "GET /busy HTTP/1.0\r\n\r\n");
  EXPECT_EQ(status_line(busy), "HTTP/1.1 503 Service Unavailable");
  EXPECT_EQ(body(busy), "wait\n");
}

TEST_F(HttpServerTest, AnyMethodIsAnswered) {
  start();
  EXPECT_EQ(body(ask(server->port(), "POST /p HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi")),
            "POST /p");
  EXPECT_EQ(body(ask(server->port(), "OPTIONS /p HTTP/1.1\r\n\r\n")), "OPTIONS /p");
  const auto head = ask(server->port(), "HEAD /p HTTP/1.1\r\n\r\n");
  EXPECT_EQ(status_line(head), "HTTP/1.1 200 OK");
  EXPECT_EQ(body(head), "");
}

TEST_F(HttpServerTest, ARangeDoesNotCutTheAnswer) {
  start();
  const auto ranged = ask(server->port(), "GET /abc HTTP/1.1\r\nRange: bytes=0-1\r\n\r\n");
  EXPECT_EQ(body(ranged), "GET /abc");
}

TEST_F(HttpServerTest, NonsenseEndsItsConnectionAndNothingElse) {
  start();
  const std::string nonsense[] = {
      "\r\n\r\n",
      std::string("\0\xff\xfe\r\n\r\n", 7),
      "GET\r\n\r\n",
      "BREW /pot HTCPCP/1.0\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "GET /%zz%u12 HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nRange: bytes=99999999999999999999999-\r\n\r\n",
      "GET / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
      "GET /" + std::string(100000, 'a') + " HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nX: " + std::string(9000, 'b') + "\r\n\r\n",
  };
  for (const std::string& request : nonsense) {
    const Fd fd = connect_to(server->port());
    ::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
    ::shutdown(fd.get(), SHUT_WR);
    receive_all(fd);
  }
  EXPECT_EQ(body(ask(server->port(), "GET /alive HTTP/1.1\r\n\r\n")), "GET /alive");
}

TEST_F(HttpServerTest, SlowTalkersAreCutSoThatOthersAreServed) {
  start(std::chrono::milliseconds(200));
  const Fd silent = connect_to(server->port());
  const Fd slow = connect_to(server->port());
  ASSERT_EQ(::send(slow.get(), "GET /", 5, MSG_NOSIGNAL), 5);
  EXPECT_EQ(body(ask(server->port(), "GET /third HTTP/1.1\r\n\r\n")), "GET /third");
  EXPECT_EQ(receive_all(silent), "");
}

TEST_F(HttpServerTest, StopCutsConnectionsThatWouldLastAnHourAndThoseThatWait) {
  start(std::chrono::hours(1));
  std::vector<Fd> silent;
  for (int i = 0; i < 5; ++i)
    silent.push_back(connect_to(server->port()));
  server->stop();
  for (const Fd& fd : silent)
    EXPECT_EQ(receive_all(fd), "");
  server->stop();  // again, to no effect
}

TEST_F(HttpServerTest, ATakenPortIsAnErrorThatNamesIt) {
  start();
  const auto second = HttpServer::open("127.0.0.1", server->port(), echo);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().text, "listen on 127.0.0.1:" + std::to_string(server->port()) +
                                     ": bind: Address already in use");
  EXPECT_EQ(second.error().kind, ErrorKind::exists);
}

TEST_F(HttpServerTest, AForeignAddressIsAnErrorThatNamesIt) {
  const auto foreign = HttpServer::open("192.0.2.1", 8080, echo);
  ASSERT_FALSE(foreign.has_value());
  EXPECT_EQ(foreign.error().text,
            "listen on 192.0.2.1:8080: bind: Cannot assign requested address");
  EXPECT_EQ(HttpServer::open("localhost", 8080, echo).error().text,
            "listen on localhost:8080: not an IP address");
}

}  // namespace
}  // namespace flannel
