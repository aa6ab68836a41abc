// SPDX-License-Identifier: Apache-2.0
#include "http/client.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <optional>

#include "http/listen.h"
#include "loop/epoll_loop.h"
#include "support/temporary_folder.h"

namespace flannel::client_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A server of one's own making: what it answers each connection with, byte for byte. Accepts one
// connection after the other until it is destroyed.
class TestServer {
 public:
  using Serve = std::function<void(int fd)>;

  explicit TestServer(Serve serve)
      : TestServer(listen_tcp("127.0.0.1", 0).value(), std::move(serve)) {}
  TestServer(TcpListener listener, Serve serve) : listener_(std::move(listener)) {
    thread_ = std::thread([this, serve = std::move(serve)] {
      // The listener does not block, but a test ends it by shutting it down.
      for (;;) {
        pollfd wait{listener_.fd.get(), POLLIN, 0};
        ::poll(&wait, 1, -1);
        const Fd fd(::accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!fd) return;
        ++connections;
        serve(fd.get());
      }
    });
  }
  ~TestServer() {
    ::shutdown(listener_.fd.get(), SHUT_RDWR);
    thread_.join();
  }

  HttpAccess access() const {
    const std::string url = "http://127.0.0.1:" + std::to_string(listener_.port);
    return {.target = parse_http_target(url, false).value()};
  }

  std::atomic<int> connections = 0;

 private:
  TcpListener listener_;
  std::thread thread_;
};

void put(int fd, std::string_view text) {
  ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
}

HttpAccess access_to_socket(const std::string& path) {
  return {.target = {.url = "unix://" + path, .tls = false, .host = {}, .port = 0}, .socket = path};
}

Fd listen_unix(const std::string& path) {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_un at{.sun_family = AF_UNIX, .sun_path = {}};
  std::ranges::copy(path, at.sun_path);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  EXPECT_EQ(::listen(fd.get(), 8), 0);
  return fd;
}

// The head of one request and as much of its body as came with it; empty at the end.
std::string take(int fd) {
  char bytes[4096];
  std::string text;
  while (text.find("\r\n\r\n") == std::string::npos) {
    const ssize_t got = ::recv(fd, bytes, sizeof bytes, 0);
    if (got <= 0) return {};
    text.append(bytes, static_cast<std::size_t>(got));
  }
  return text;
}

// Reads until the client has gone.
void drain(int fd) {
  char bytes[4096];
  while (::recv(fd, bytes, sizeof bytes, 0) > 0) {
  }
}

class HttpClientTest : public ::testing::Test {
 protected:
  HttpEnd ask(HttpConnection& connection, HttpCall call) {
    std::optional<HttpEnd> end;
    connection.send(std::move(call), {.on_head = {}, .on_end = [&](HttpEnd got) {
                                        end = std::move(got);
                                        loop->stop();
                                      }});
    run();
    return end.value();
  }
  HttpEnd get(HttpConnection& connection) { return ask(connection, {"GET", "/", {}, {}, 100}); }

  // Until something stops the loop.
  void run() {
    const auto limit = loop->at(BootClock::now() + seconds(20), [this] {
      ADD_FAILURE() << "nothing came";
      loop->stop();
    });
    EXPECT_TRUE(loop->run());
  }

  std::unique_ptr<EpollLoop> loop = EpollLoop::open().value();
};

TEST_F(HttpClientTest, ACallReachesTheServerAndItsAnswerComesBack) {
  std::string seen;
  TestServer server([&](int fd) {
    seen = take(fd);
    put(fd, "HTTP/1.1 201 Created\r\nX-Etcd-Index: 7\r\nContent-Length: 2\r\n\r\nhi");
  });
  HttpAccess access = server.access();
  access.username = "root";
  access.password = "pass";
  HttpConnection connection(access, false, *loop);
  const HttpEnd end = ask(connection, {"PUT", "/v2/keys/a%26b?x=1", "value=1",
                                       "application/x-www-form-urlencoded", 100});
  EXPECT_EQ(end.head.status, 201);
  EXPECT_EQ(end.head.headers.at("x-etcd-index"), "7");
  EXPECT_EQ(end.body.value(), "hi");
  EXPECT_TRUE(seen.starts_with("PUT /v2/keys/a%26b?x=1 HTTP/1.1\r\n")) << seen;
  EXPECT_NE(seen.find("Authorization: Basic cm9vdDpwYXNz\r\n"), std::string::npos) << seen;
  EXPECT_NE(seen.find("Content-Length: 7\r\n"), std::string::npos) << seen;
}

TEST_F(HttpClientTest, AKeptConnectionServesTheNextCallToo) {
  for (const bool keep_open : {true, false}) {
    TestServer server([](int fd) {
      while (!take(fd).empty())
        put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    HttpConnection connection(server.access(), keep_open, *loop);
    EXPECT_TRUE(get(connection).body);
    EXPECT_TRUE(get(connection).body);
    EXPECT_EQ(server.connections, keep_open ? 1 : 2);
    connection.cut({});
  }
}

TEST_F(HttpClientTest, TheHeadComesBeforeTheBodyIsThere) {
  TestServer server([](int fd) {
    take(fd);
    put(fd, "HTTP/1.1 200 OK\r\nX-Etcd-Index: 9\r\nTransfer-Encoding: chunked\r\n\r\n");
    drain(fd);
  });
  HttpConnection connection(server.access(), true, *loop);
  std::optional<HttpEnd> end;
  connection.send({"GET", "/", {}, {}, 100}, {.on_head =
                                                  [&](const HttpHead& head) {
                                                    EXPECT_EQ(head.headers.at("x-etcd-index"), "9");
                                                    connection.cut({ErrorKind::unavailable, "ha"});
                                                  },
                                              .on_end =
                                                  [&](HttpEnd got) {
                                                    end = std::move(got);
                                                    loop->stop();
                                                  }});
  run();
  EXPECT_EQ(end.value().body.error().text, "ha");
  EXPECT_EQ(end->head.status, 200);
  EXPECT_TRUE(end->sent);
}

TEST_F(HttpClientTest, ACallWithoutAnAnswerCanBeCut) {
  TestServer server([](int fd) { drain(fd); });
  HttpConnection connection(server.access(), false, *loop);
  const auto timer = loop->at(BootClock::now() + milliseconds(50), [&] {
    connection.cut({ErrorKind::unavailable, "no answer"});
  });
  const HttpEnd end = get(connection);
  EXPECT_EQ(end.body.error().text, "no answer");
  EXPECT_EQ(end.head.status, 0);
  EXPECT_TRUE(end.sent);
}

TEST_F(HttpClientTest, NoCallbackRunsAfterTheConnectionIsDestroyed) {
  TestServer server([](int fd) { drain(fd); });
  auto connection = std::make_unique<HttpConnection>(server.access(), false, *loop);
  connection->send({"GET", "/", {}, {}, 100},
                   {.on_head = {}, .on_end = [](const HttpEnd&) { ADD_FAILURE(); }});
  connection.reset();
  const auto soon = loop->at(BootClock::now(), [this] { loop->stop(); });
  run();
}

TEST_F(HttpClientTest, TheListenerMayDestroyTheConnection) {
  TestServer server([](int fd) {
    take(fd);
    put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  auto connection = std::make_unique<HttpConnection>(server.access(), false, *loop);
  connection->send({"GET", "/", {}, {}, 100}, {.on_head = {}, .on_end = [&](const HttpEnd&) {
                                                 connection.reset();
                                                 loop->stop();
                                               }});
  run();
}

TEST_F(HttpClientTest, ARefusedConnectionHasSentNothing) {
  const std::uint16_t free_port = listen_tcp("127.0.0.1", 0).value().port;
  const std::string url = "http://127.0.0.1:" + std::to_string(free_port);
  HttpConnection connection({.target = parse_http_target(url, false).value()}, false, *loop);
  const HttpEnd end = get(connection);
  EXPECT_FALSE(end.sent);
  EXPECT_EQ(end.body.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(end.body.error().text, url + ": cannot connect: Connection refused");
}

TEST_F(HttpClientTest, AServerAtAUnixSocketIsReached) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/socket";
  std::string seen;
  TestServer server({.fd = listen_unix(path)}, [&](int fd) {
    seen = take(fd);
    if (seen.starts_with("GET /slow")) return drain(fd);
    put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  });
  HttpConnection connection(access_to_socket(path), false, *loop);
  EXPECT_EQ(get(connection).body.value(), "hi");
  EXPECT_NE(seen.find("Host: localhost\r\n"), std::string::npos) << seen;
  const auto timer = loop->at(BootClock::now() + milliseconds(50), [&] {
    connection.cut({ErrorKind::unavailable, "no answer"});
  });
  EXPECT_EQ(ask(connection, {"GET", "/slow", {}, {}, 100}).body.error().text, "no answer");
}

TEST_F(HttpClientTest, AnErrorSaysWhyAUnixSocketIsNotReached) {
  const TemporaryFolder folder;
  const std::string missing = folder.path() + "/socket";
  for (const auto& [path, why] : {std::pair{missing, "No such file or directory"},
                                  {std::string(200, 'x'), "the path is too long for a socket"}}) {
    HttpConnection connection(access_to_socket(path), false, *loop);
    const HttpEnd end = get(connection);
    EXPECT_FALSE(end.sent);
    EXPECT_EQ(end.body.error().text, "unix://" + path + ": cannot connect: " + why);
  }
}

TEST_F(HttpClientTest, ABrokenAnswerIsAFailureThatMayHaveBeenCarriedOut) {
  for (const char* answer :
       {"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "HTTP/1.1 2", "\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"}) {
    TestServer server([&](int fd) {
      take(fd);
      put(fd, answer);
    });
    HttpConnection connection(server.access(), true, *loop);
    const HttpEnd end = get(connection);
    ASSERT_FALSE(end.body) << answer << " -> " << *end.body;
    EXPECT_EQ(end.body.error().kind, ErrorKind::unavailable) << answer;
    EXPECT_TRUE(end.sent);
  }
}

TEST_F(HttpClientTest, AnEndlessAnswerIsLeftAlone) {
  TestServer server([](int fd) {
    take(fd);
    put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" + std::string(101, 'x'));
  });
  HttpConnection connection(server.access(), false, *loop);
  EXPECT_NE(get(connection).body.error().text.find("the answer is longer than"), std::string::npos);
}

TEST_F(HttpClientTest, AnErrorSuggestsThatTheServerRequiresTls) {
  for (const char* answer : {"",
                             "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to "
                             "an HTTPS server.\n"}) {
    TestServer server([&](int fd) {
      take(fd);
      put(fd, answer);
    });
    HttpConnection connection(server.access(), false, *loop);
    const Error why = get(connection).body.error();
    EXPECT_EQ(why.kind, ErrorKind::unavailable);
    EXPECT_NE(why.text.find("https://"), std::string::npos) << why.text;
  }
}

TEST_F(HttpClientTest, AnErrorSuggestsThatTheServerSpeaksNoTls) {
  for (const char* answer : {"", "HTTP/1.1 400 Bad Request\r\n\r\n"}) {
    TestServer server([&](int fd) {
      char bytes[4096];
      ::recv(fd, bytes, sizeof bytes, 0);
      put(fd, answer);
    });
    HttpAccess access = server.access();
    access.target.tls = true;
    HttpConnection connection(access, false, *loop);
    const HttpEnd end = get(connection);
    EXPECT_EQ(end.body.error().text,
              access.target.url + ": the server does not speak TLS; does it want http://?");
    EXPECT_FALSE(end.sent);
  }
}

// Linux resets a connection that is closed with unread bytes.
TEST_F(HttpClientTest, AServerThatResetsTheHandshakeSpeaksNoTls) {
  TestServer server([&](int fd) {
    char first;
    ::recv(fd, &first, 1, 0);
  });
  HttpAccess access = server.access();
  access.target.tls = true;
  HttpConnection connection(access, false, *loop);
  EXPECT_EQ(get(connection).body.error().text,
            access.target.url + ": the server does not speak TLS; does it want http://?");
}

// A resolver that answers as the test wants, after it wants.
class SlowNames {
 public:
  std::shared_ptr<Resolver> resolver() {
    return std::make_shared<Resolver>([gate = gate_](const std::string&) {
      gate->arrive_and_wait();
      return Result<Resolver::Addresses>(Resolver::Addresses{"192.0.2.1", "127.0.0.1"});
    });
  }
  void answer() { gate_->arrive_and_wait(); }

 private:
  std::shared_ptr<std::barrier<>> gate_ = std::make_shared<std::barrier<>>(2);
};

TEST_F(HttpClientTest, ANameThatIsNotResolvedInTimeBlocksNothing) {
  SlowNames names;
  HttpConnection connection({.target = parse_http_target("http://etcd1:2379", false).value(),
                             .resolver = names.resolver()},
                            false, *loop);
  const auto timer = loop->at(BootClock::now() + milliseconds(50), [&] {
    connection.cut({ErrorKind::unavailable, "no answer"});
  });
  const HttpEnd end = get(connection);
  EXPECT_EQ(end.body.error().text,
            "http://etcd1:2379: etcd1 cannot be resolved: no answer from the name server in time");
  EXPECT_FALSE(end.sent);
  names.answer();
}

TEST_F(HttpClientTest, ANameWithoutAddressIsAnError) {
  HttpAccess access{.target = parse_http_target("http://etcd1.invalid:2379", false).value()};
  HttpConnection connection(access, false, *loop);
  const Error why = get(connection).body.error();
  EXPECT_TRUE(why.text.starts_with("http://etcd1.invalid:2379: etcd1.invalid cannot be resolved: "))
      << why.text;
}

TEST_F(HttpClientTest, TheNextAddressOfANameIsTriedWhereOneRefuses) {
  TestServer server([](int fd) {
    take(fd);
    put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  HttpAccess access = server.access();
  access.target.host = "etcd1";
  access.resolver = std::make_shared<Resolver>([](const std::string&) {
    return Result<Resolver::Addresses>(Resolver::Addresses{"127.0.0.2", "127.0.0.1"});
  });
  HttpConnection connection(access, false, *loop);
  const HttpEnd end = get(connection);
  EXPECT_TRUE(end.body) << end.body.error().text;
}

}  // namespace
}  // namespace flannel::client_test
