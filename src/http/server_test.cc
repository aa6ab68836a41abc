// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "support/loopback_client.h"

namespace flannel::server_test {
namespace {

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

void put(const Fd& fd, std::string_view text) {
  ASSERT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(text.size()));
}

// The other side has closed, or has sent something.
bool hears_within(const Fd& fd, std::chrono::milliseconds patience) {
  pollfd wait{fd.get(), POLLIN, 0};
  return ::poll(&wait, 1, static_cast<int>(patience.count())) == 1;
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
  if (!request.body.empty()) return {200, request.body};
  std::string text = request.method + " " + request.path;
  for (const auto& [name, value] : request.query)
    text.append(" ").append(name + "=" + value);
  return {200, text};
}

class HttpServerTest : public testing::Test {
 protected:
  using Respond = std::function<HttpResponse(const HttpRequest&)>;

  void start(HttpLimits limits = {.lifetime = std::chrono::hours(1)}, Respond respond = echo) {
    start_to_ask(limits, [respond](const HttpRequest& request, const HttpReply& reply) {
      reply(respond(request));
    });
  }
  void start_to_ask(HttpLimits limits, HttpHandler handler) {
    auto listener = listen_tcp("127.0.0.1", 0);
    ASSERT_TRUE(listener.has_value()) << listener.error().text;
    port = listener->port;
    std::vector<HttpService> services;
    services.push_back({std::move(listener->fd), std::move(handler), limits});
    auto opened = HttpServer::open(std::move(services));
    ASSERT_TRUE(opened.has_value()) << opened.error().text;
    server = *std::move(opened);
  }
  std::string ask_for(const std::string& path) const {
    return body(ask(port, "GET " + path + " HTTP/1.1\r\n\r\n"));
  }

  std::unique_ptr<HttpServer> server;
  std::uint16_t port = 0;
};

// The soft limit of descriptors while it lives.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t wanted) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit now{std::min(wanted, before_.rlim_max), before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &now);
  }
  ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(HttpServerTest, AnswersWithTheTextOfTheHandler) {
  start();
  const auto fine = ask(port, "GET /a%20b?verbose&x=1 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(status_line(fine), "HTTP/1.1 200 OK");
  EXPECT_EQ(body(fine), "GET /a b verbose= x=1");
  EXPECT_NE(fine.find("Content-Type: text/plain; charset=utf-8\r\n"), std::string::npos);
  const auto busy = ask(port, "GET /busy HTTP/1.0\r\n\r\n");
  EXPECT_EQ(status_line(busy), "HTTP/1.1 503 Service Unavailable");
  EXPECT_EQ(body(busy), "wait\n");
}

TEST_F(HttpServerTest, AnyMethodIsAnswered) {
  start();
  EXPECT_EQ(body(ask(port, "POST /p HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi")), "POST /p");
  EXPECT_EQ(body(ask(port, "OPTIONS /p HTTP/1.1\r\n\r\n")), "OPTIONS /p");
  const auto head = ask(port, "HEAD /p HTTP/1.1\r\n\r\n");
  EXPECT_EQ(status_line(head), "HTTP/1.1 200 OK");
  EXPECT_EQ(body(head), "");
}

TEST_F(HttpServerTest, ARangeDoesNotCutTheAnswer) {
  start();
  const auto ranged = ask(port, "GET /abc HTTP/1.1\r\nRange: bytes=0-1\r\n\r\n");
  EXPECT_EQ(body(ranged), "GET /abc");
}

TEST_F(HttpServerTest, InvalidBytesEndOnlyTheirConnection) {
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
    const Fd fd = connect_to(port);
    ::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
    ::shutdown(fd.get(), SHUT_WR);
    receive_all(fd);
  }
  EXPECT_EQ(body(ask(port, "GET /alive HTTP/1.1\r\n\r\n")), "GET /alive");
}

TEST_F(HttpServerTest, AHeadThatIsCutShortIsABadRequest) {
  start();
  const Fd fd = connect_to(port);
  put(fd, "GET /half HTTP/1.1\r\nX: ");
  ::shutdown(fd.get(), SHUT_WR);
  EXPECT_EQ(status_line(receive_all(fd)), "HTTP/1.1 400 Bad Request");
}

TEST_F(HttpServerTest, ARequestMayComeInSingleBytes) {
  start();
  const Fd fd = connect_to(port);
  for (const char byte : std::string("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")) {
    put(fd, {&byte, 1});
    ::usleep(1000);
  }
  EXPECT_EQ(body(receive_all(fd)), "GET /slow");
}

TEST_F(HttpServerTest, AnUnreadBodyDoesNotPreventTheAnswer) {
  start();
  const std::string big(32 << 20, 'b');  // more than the kernel buffers
  const Fd fd = connect_to(port);
  put(fd, "POST /p HTTP/1.1\r\nContent-Length: 33554432\r\n\r\n");
  put(fd, big);
  ::shutdown(fd.get(), SHUT_WR);
  EXPECT_EQ(body(receive_all(fd)), "POST /p");
}

constexpr HttpLimits kWithBodies{.lifetime = std::chrono::hours(1), .body = 100000};

TEST_F(HttpServerTest, ABodyMayComeInParts) {
  start(kWithBodies);
  EXPECT_EQ(body(ask(port, "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi!")), "hi");
  const std::string large(90000, 'b');
  const Fd fd = connect_to(port);
  put(fd, "POST / HTTP/1.1\r\nContent-Length: 90001\r\n\r\na");
  ::usleep(10000);
  put(fd, large);
  EXPECT_EQ(body(receive_all(fd)), "a" + large);
}

TEST_F(HttpServerTest, ABodyThatCannotBeReadIsRefused) {
  start(kWithBodies);
  const auto refused = [this](const std::string& header) {
    return ask(port, "POST / HTTP/1.1\r\n" + header + "\r\n\r\n");
  };
  EXPECT_EQ(status_line(refused("Content-Length: 100001")), "HTTP/1.1 413 Payload Too Large");
  EXPECT_EQ(body(refused("Content-Length: 100001")), "a body may have 100000 bytes at most\n");
  for (const char* header :
       {"Transfer-Encoding: chunked", "Content-Length: -1", "Content-Length: x",
        "Content-Length: 1\r\nContent-Length: 2", "Content-Length: 99999999999999999999999"}) {
    EXPECT_EQ(status_line(refused(header)), "HTTP/1.1 411 Length Required") << header;
  }
}

TEST_F(HttpServerTest, ABodyThatIsCutShortIsNoRequest) {
  start(kWithBodies, [](const HttpRequest&) { return HttpResponse{200, "acted\n"}; });
  const Fd fd = connect_to(port);
  put(fd, "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhi");
  ::shutdown(fd.get(), SHUT_WR);
  EXPECT_EQ(receive_all(fd), "");
}

TEST_F(HttpServerTest, AnAnswerMayComeLaterFromAnotherThreadAndOnce) {
  std::promise<HttpReply> asked;
  start_to_ask({.lifetime = std::chrono::hours(1)},
               [&asked](const HttpRequest& request, const HttpReply& reply) {
                 if (request.path != "/later") return reply({200, "now"});
                 asked.set_value(reply);
               });
  const Fd later = connect_to(port);
  put(later, "GET /later HTTP/1.1\r\n\r\n");
  const HttpReply reply = asked.get_future().get();
  EXPECT_EQ(ask_for("/other"), "now");
  EXPECT_FALSE(hears_within(later, std::chrono::milliseconds(20)));
  reply({200, "later"});
  reply({500, "again"});
  EXPECT_EQ(body(receive_all(later)), "later");
  reply({500, "after the end of the connection"});
  EXPECT_EQ(ask_for("/other"), "now");
  server->stop();
  reply({500, "after the end of the server"});
}

TEST_F(HttpServerTest, ARequestWithoutAnAnswerIsToldSo) {
  start_to_ask({.lifetime = std::chrono::milliseconds(100)},
               [](const HttpRequest&, const HttpReply&) {});
  EXPECT_EQ(status_line(ask(port, "GET / HTTP/1.1\r\n\r\n")), "HTTP/1.1 503 Service Unavailable");
  const Fd silent = connect_to(port);
  EXPECT_EQ(receive_all(silent), "");
}

TEST_F(HttpServerTest, AClientThatLeavesBeforeItsAnswerDisturbsNobody) {
  std::promise<HttpReply> asked;
  start_to_ask({.lifetime = std::chrono::hours(1)},
               [&asked](const HttpRequest& request, const HttpReply& reply) {
                 if (request.path != "/later") return reply({200, "now"});
                 asked.set_value(reply);
               });
  Fd later = connect_to(port);
  put(later, "GET /later HTTP/1.1\r\n\r\n");
  const HttpReply reply = asked.get_future().get();
  const linger reset{1, 0};
  ::setsockopt(later.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  later = Fd();
  EXPECT_EQ(ask_for("/other"), "now");
  reply({200, "later"});
  EXPECT_EQ(ask_for("/other"), "now");
}

TEST_F(HttpServerTest, SlowTalkersAreCut) {
  start({.lifetime = std::chrono::milliseconds(200)});
  const Fd silent = connect_to(port);
  const Fd slow = connect_to(port);
  put(slow, "GET /");
  EXPECT_EQ(receive_all(silent), "");
  EXPECT_EQ(receive_all(slow), "");
}

TEST_F(HttpServerTest, AThousandSlowConnectionsDelayNoOtherAndAreAnswered) {
  const DescriptorLimit enough(4096);
  start({.lifetime = std::chrono::hours(1), .connections = 1024});
  std::vector<Fd> slow;
  for (int i = 0; i < 1000; ++i) {
    slow.push_back(connect_to(port));
    put(slow.back(), "GET /slow HTTP/1.1\r\n");
  }
  EXPECT_EQ(ask_for("/fast"), "GET /fast");  // while all of the others wait
  for (const Fd& fd : slow)
    put(fd, "\r\n");
  for (const Fd& fd : slow)
    ASSERT_EQ(body(receive_all(fd)), "GET /slow");
}

TEST_F(HttpServerTest, TheOldestConnectionMakesRoomForANewOne) {
  start({.lifetime = std::chrono::hours(1), .connections = 3});
  std::vector<Fd> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.push_back(connect_to(port));
    put(waiting.back(), "GET /" + std::to_string(i) + " HTTP/1.1\r\n");
  }
  EXPECT_EQ(ask_for("/new"), "GET /new");
  EXPECT_EQ(receive_all(waiting[0]), "");
  EXPECT_FALSE(hears_within(waiting[2], std::chrono::milliseconds(50)));
  put(waiting[2], "\r\n");
  EXPECT_EQ(body(receive_all(waiting[2])), "GET /2");
}

TEST_F(HttpServerTest, WithoutDescriptorsTheOldestConnectionMakesRoom) {
  const DescriptorLimit few(64);
  start();
  std::vector<Fd> waiting;
  for (int i = 0; i < 3; ++i)
    waiting.push_back(connect_to(port));
  EXPECT_EQ(ask_for("/before"), "GET /before");  // so all are accepted
  // The check of UBSan for a virtual call, the first time that a connection is removed, takes
  // descriptors of its own: by the second answer the connection of the first is removed.
  EXPECT_EQ(ask_for("/before"), "GET /before");
  const Fd client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::vector<Fd> all_others;
  while (const int fd = ::dup(client.get()) + 1)
    all_others.emplace_back(fd - 1);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  put(client, "GET /after HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(receive_all(waiting[0]).empty());
  // Its own copies keep the connection open after the answer.
  ASSERT_TRUE(hears_within(client, std::chrono::seconds(10)));
  EXPECT_EQ(body(receive_all(client)), "GET /after");
}

TEST_F(HttpServerTest, UnreadAnswersDelayNoOtherAndAreBounded) {
  constexpr std::size_t kSize = 16 << 20;  // more than the kernel buffers
  start({.lifetime = std::chrono::hours(1), .unsent = 2 * kSize}, [](const HttpRequest& request) {
    return HttpResponse{200, request.path == "/big" ? std::string(kSize, 'x') : "small"};
  });
  std::vector<Fd> deaf;
  for (int i = 0; i < 4; ++i) {
    deaf.push_back(connect_to(port));
    put(deaf.back(), "GET /big HTTP/1.1\r\n\r\n");
    ASSERT_TRUE(hears_within(deaf.back(), std::chrono::seconds(10)));
  }
  EXPECT_EQ(ask_for("/small"), "small");
  EXPECT_LT(receive_all(deaf[0]).size(), kSize);  // the oldest was cut
  EXPECT_GT(receive_all(deaf[3]).size(), kSize);
}

TEST_F(HttpServerTest, StopCutsConnectionsThatWouldLastAnHourAndThoseThatWait) {
  start();
  std::vector<Fd> silent;
  for (int i = 0; i < 5; ++i)
    silent.push_back(connect_to(port));
  server->stop();
  for (const Fd& fd : silent)
    EXPECT_EQ(receive_all(fd), "");
  server->stop();  // again, to no effect
}

TEST(HttpLimitsTest, FewDescriptorsAreLeftToOthers) {
  const DescriptorLimit few(400);
  EXPECT_EQ(HttpLimits::for_this_process().connections, 100U);
}

}  // namespace
}  // namespace flannel::server_test
