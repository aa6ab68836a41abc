// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "http/server.h"
#include "support/loopback_client.h"

namespace flannel::stream_test {
namespace {

constexpr auto kSoon = std::chrono::seconds(10);

Fd ask(std::uint16_t port) {
  Fd fd = connect_to(port);
  const std::string request = "GET /events HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n";
  EXPECT_EQ(::send(fd.get(), request.data(), request.size(), 0), std::ssize(request));
  return fd;
}

// What comes until the text ends like this, or the server closes.
std::string receive_to(const Fd& fd, const std::string& end) {
  std::string text;
  char byte = 0;
  while (!text.ends_with(end) && ::recv(fd.get(), &byte, 1, 0) == 1)
    text += byte;
  return text;
}

// The number of bytes that come until the text ends with "end", or the server closes.
std::size_t count_to_end(const Fd& fd) {
  std::vector<char> bytes(1 << 20);
  std::size_t count = 0;
  for (;;) {
    const ssize_t got = ::recv(fd.get(), bytes.data(), bytes.size(), 0);
    if (got <= 0) return 0;
    count += static_cast<std::size_t>(got);
    if (std::string_view(bytes.data(), static_cast<std::size_t>(got)).ends_with("end"))
      return count;
  }
}

// A server all of whose answers go on.
class StreamTest : public testing::Test {
 protected:
  void start(const HttpLimits& limits) {
    auto listener = listen_tcp("127.0.0.1", 0);
    ASSERT_TRUE(listener.has_value()) << listener.error().text;
    port = listener->port;
    std::vector<HttpService> services;
    services.push_back({std::move(listener->fd),
                        [this](const HttpRequest& request, const HttpReply& reply) {
                          HttpResponse response{200, "first " + request.headers.at("host") + "\n"};
                          response.headers = {{"Cache-Control", "no-store"}};
                          response.goes_on = [this](const HttpSink& sink) { add(sink); };
                          reply(response);
                        },
                        limits});
    server = HttpServer::open(std::move(services)).value();
  }
  void add(const HttpSink& sink) {
    const std::lock_guard lock(mutex);
    sinks.push_back(sink);
  }
  std::vector<HttpSink> open_sinks() {
    const std::lock_guard lock(mutex);
    std::erase_if(sinks, [](const HttpSink& sink) { return !sink.is_open(); });
    return sinks;
  }
  bool reaches(std::size_t wanted) {
    const auto until = std::chrono::steady_clock::now() + kSoon;
    while (std::chrono::steady_clock::now() < until) {
      if (open_sinks().size() == wanted) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }

  std::mutex mutex;
  std::vector<HttpSink> sinks;
  std::uint16_t port = 0;
  std::unique_ptr<HttpServer> server;
};

TEST_F(StreamTest, AnAnswerGoesOnBeyondTheLifetimeOfOthers) {
  start({.lifetime = std::chrono::milliseconds(50)});
  const Fd client = ask(port);
  const std::string head = receive_to(client, "\r\n\r\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n")) << head;
  EXPECT_NE(head.find("Cache-Control: no-store\r\n"), std::string::npos) << head;
  EXPECT_EQ(head.find("Content-Length"), std::string::npos) << head;
  EXPECT_EQ(receive_to(client, "\n"), "first b\n");
  ASSERT_TRUE(reaches(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  for (const char* part : {"second\n", "third\n"}) {
    open_sinks().front()([part] { return part; });
    EXPECT_EQ(receive_to(client, "\n"), part);
  }
}

TEST_F(StreamTest, OneStreamTooManyIsRefusedAndAClosedOneMakesRoom) {
  start({.streams = 2});
  const Fd one = ask(port);
  {
    const Fd two = ask(port);
    ASSERT_TRUE(reaches(2));
    EXPECT_TRUE(receive_to(ask(port), "\n").starts_with("HTTP/1.1 503"));
  }
  ASSERT_TRUE(reaches(1)) << "the client has closed";
  const Fd three = ask(port);
  EXPECT_TRUE(receive_to(three, "\n").starts_with("HTTP/1.1 200"));
}

TEST_F(StreamTest, AClientThatDoesNotReadIsCutOff) {
  start({.unsent_stream = 1 << 20});
  const Fd slow = ask(port);
  const Fd quick = ask(port);
  EXPECT_TRUE(receive_to(quick, "\nfirst b\n").ends_with("first b\n"));
  ASSERT_TRUE(reaches(2));
  auto reads = std::async(std::launch::async, [&quick] { return count_to_end(quick); });
  const std::string part(256 << 10, 'x');
  while (open_sinks().size() == 2) {
    for (const HttpSink& sink : open_sinks())
      sink([&part] { return part; });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  ASSERT_TRUE(reaches(1));
  open_sinks().front()([] { return "end"; });
  EXPECT_GT(reads.get(), part.size());
}

TEST_F(StreamTest, NothingIsMadeForAStreamThatHasEnded) {
  start({});
  std::optional<Fd> client = ask(port);
  ASSERT_TRUE(reaches(1));
  const HttpSink sink = open_sinks().front();
  client.reset();
  ASSERT_TRUE(reaches(0));
  sink([]() -> std::string {
    ADD_FAILURE();
    return {};
  });
  server->stop();
  EXPECT_FALSE(sink.is_open());
  sink([] { return std::string(); });
}

}  // namespace
}  // namespace flannel::stream_test
