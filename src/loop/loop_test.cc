// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "base/fd.h"
#include "loop/epoll_loop.h"
#include "support/manual_loop.h"

namespace flannel::loop_test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST(EpollLoopTest, TimersRunInOrderAndDroppedOnesDoNot) {
  auto loop = EpollLoop::open().value();
  std::string order;
  const TimePoint start = BootClock::now();
  auto second = loop->at(start + milliseconds(4), [&] {
    order += "2";
    loop->stop();
  });
  auto first = loop->at(start + milliseconds(2), [&] { order += "1"; });
  auto dropped = loop->at(start + milliseconds(3), [&] { order += "x"; });
  dropped.reset();
  ASSERT_TRUE(loop->run());
  EXPECT_EQ(order, "12");
  EXPECT_GE(loop->now(), start + milliseconds(4));
}

TEST(EpollLoopTest, PostsFromAnotherThreadRunHereInOrder) {
  auto loop = EpollLoop::open().value();
  int last = 0;
  std::thread other([poster = loop->poster(), &loop, &last] {
    for (int i = 1; i <= 1000; ++i) {
      poster->post([&last, i] {
        EXPECT_EQ(last, i - 1);
        last = i;
      });
    }
    poster->post([&loop] { loop->stop(); });
  });
  ASSERT_TRUE(loop->run());
  other.join();
  EXPECT_EQ(last, 1000);
}

TEST(EpollLoopTest, APosterMayOutliveTheLoop) {
  auto loop = EpollLoop::open().value();
  auto poster = loop->poster();
  bool ran = false;
  poster->post([&] { ran = true; });
  loop.reset();
  poster->post([&] { ran = true; });
  EXPECT_FALSE(ran);
}

TEST(EpollLoopTest, AHandlerMayDropItsOwnWatch) {
  auto loop = EpollLoop::open().value();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const Fd reader{ends[0]};
  const Fd writer{ends[1]};
  ASSERT_EQ(::write(writer.get(), "x", 1), 1);
  int calls = 0;
  SubscriptionPtr watch = loop->watch_fd(reader.get(), EPOLLIN,
                                         [&](std::uint32_t) {
                                           ++calls;
                                           watch.reset();
                                         })
                              .value();
  auto end = loop->at(BootClock::now() + milliseconds(10), [&] { loop->stop(); });
  ASSERT_TRUE(loop->run());
  EXPECT_EQ(calls, 1) << "the byte is still unread: only the dropped watch keeps it quiet";
}

TEST(EpollLoopTest, SignalsBecomeEvents) {
  auto loop = EpollLoop::open().value();
  int received = 0;
  auto watch = loop->on_signals({SIGUSR1}, [&](int signal) {
    received = signal;
    loop->stop();
  });
  ASSERT_TRUE(watch);
  ::kill(::getpid(), SIGUSR1);
  ASSERT_TRUE(loop->run());
  EXPECT_EQ(received, SIGUSR1);
}

TEST(ManualLoopTest, TimeMovesOnlyByAdvance) {
  ManualLoop loop;
  const TimePoint start = loop.now();
  std::string order;
  auto late = loop.at(start + hours(2), [&] { order += "late"; });
  SubscriptionPtr nested;
  auto early = loop.at(start + hours(1), [&] {
    order += "early ";
    nested = loop.at(loop.now() + hours(0), [&] { order += "nested "; });
  });
  loop.advance(hours(3));
  EXPECT_EQ(order, "early nested late");
  EXPECT_EQ(loop.now(), start + hours(3));
}

}  // namespace
}  // namespace flannel::loop_test
