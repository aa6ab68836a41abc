// SPDX-License-Identifier: Apache-2.0
#include "registry/store_clock.h"

#include <gtest/gtest.h>

#include <memory>

#include "loop/epoll_loop.h"
#include "registry/open_registry.h"
#include "support/scripted_server.h"

namespace flannel {
namespace {

TEST(HttpDateTest, IsReadInItsOneForm) {
  const auto time = parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT");
  ASSERT_TRUE(time);
  EXPECT_EQ(std::chrono::system_clock::to_time_t(*time), 784111777);
  for (const char* bad : {"", "Sun", "Sun, 06 Nov 1994 08:49:37", "Sunday, 06-Nov-94 08:49:37 GMT",
                          "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 06 Nov 1994 08:49:37 GMTx",
                          "Sun, 36 Nov 1994 08:49:37 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"}) {
    EXPECT_FALSE(parse_http_date(bad)) << bad;
  }
}

class StoreClockTest : public testing::Test {
 protected:
  // The answer of a store that sends these lines in the head of its answer.
  Result<ServerTime> time_by(const std::string& headers) {
    ScriptedServer server([&](const std::string& head, const std::string&) {
      asked_ = head;
      return ScriptedServer::answer(404, headers, "{}");
    });
    StoreOptions options;
    options.endpoints = {server.url()};
    options.username = "root";
    options.password.text = "hunter2";
    const auto loop = EpollLoop::open().value();
    const auto clock = open_store_clock(options, *loop).value();
    Result<ServerTime> time = fail(ErrorKind::unavailable, "no answer");
    clock->ask([&](Result<ServerTime> answer) {
      time = std::move(answer);
      loop->stop();
    });
    EXPECT_TRUE(loop->run());
    return time;
  }

  std::string asked_;
};

TEST_F(StoreClockTest, IsReadFromAnyAnswer) {
  const auto time = time_by("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
  ASSERT_TRUE(time) << time.error().text;
  EXPECT_EQ(std::chrono::system_clock::to_time_t(*time), 784111777);
  EXPECT_TRUE(asked_.starts_with("GET /version HTTP/1.1")) << asked_;
  EXPECT_EQ(asked_.find("uthorization"), std::string::npos) << "no secret is needed for it";
}

TEST_F(StoreClockTest, IsNotGuessed) {
  for (const char* headers : {"", "Date: yesterday\r\n"}) {
    const auto time = time_by(headers);
    ASSERT_FALSE(time);
    EXPECT_EQ(time.error().kind, ErrorKind::invalid);
  }
  const auto loop = EpollLoop::open().value();
  StoreOptions file;
  file.kind = StoreKind::sqlite;
  EXPECT_EQ(open_store_clock(file, *loop).error().kind, ErrorKind::unsupported);
}

}  // namespace
}  // namespace flannel
