// SPDX-License-Identifier: Apache-2.0
#include "loop/epoll_loop.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <mutex>
#include <vector>

namespace flannel {
namespace {

constexpr std::uint64_t kTimerKey = ~std::uint64_t{0};
constexpr std::uint64_t kMailboxKey = kTimerKey - 1;

Result<void> epoll_add(const Fd& epoll, int fd, std::uint32_t events, std::uint64_t key) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = key;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return os_error("epoll: watch fd " + std::to_string(fd));
  }
  return {};
}

timespec to_timespec(TimePoint when) {
  const auto since_boot = when.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  return {static_cast<time_t>(seconds.count()), static_cast<long>((since_boot - seconds).count())};
}

}  // namespace

// The queue that other threads share with the loop, and the eventfd that wakes the loop.
class EpollLoop::Mailbox final : public Poster {
 public:
  explicit Mailbox(Fd event) : event_(std::move(event)) {}

  void post(std::function<void()> work) override {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    queue_.push_back(std::move(work));
    if (queue_.size() == 1) {
      const std::uint64_t one = 1;
      // An eventfd write of 1 fails only at the counter's limit, and then the loop is awake.
      [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
    }
  }

  std::vector<std::function<void()>> take() {
    const std::lock_guard lock(mutex_);
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(event_.get(), &count, sizeof count);
    return std::exchange(queue_, {});
  }

  void close() {
    std::vector<std::function<void()>> dropped;  // destroyed outside the lock
    const std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(queue_);
  }

  int fd() const { return event_.get(); }

 private:
  Fd event_;
  std::mutex mutex_;
  std::vector<std::function<void()>> queue_;
  bool closed_ = false;
};

class EpollLoop::FdWatch final : public Subscription {
 public:
  FdWatch(EpollLoop& loop, int fd, std::uint64_t key) : loop_(loop), fd_(fd), key_(key) {}
  ~FdWatch() override {
    loop_.handlers_.erase(key_);
    ::epoll_ctl(loop_.epoll_.get(), EPOLL_CTL_DEL, fd_, nullptr);
  }

 private:
  EpollLoop& loop_;
  int fd_;
  std::uint64_t key_;
};

class EpollLoop::Timer final : public Subscription {
 public:
  Timer(EpollLoop& loop, TimerKey key) : loop_(loop), key_(key) {}
  ~Timer() override { loop_.timers_.erase(key_); }  // nothing to erase once it has run

 private:
  EpollLoop& loop_;
  TimerKey key_;
};

class EpollLoop::SignalWatch final : public Subscription {
 public:
  SignalWatch(Fd fd, SubscriptionPtr watch) : fd_(std::move(fd)), watch_(std::move(watch)) {}

 private:
  Fd fd_;
  SubscriptionPtr watch_;  // dropped before fd_
};

Result<std::unique_ptr<EpollLoop>> EpollLoop::open() {
  Fd epoll{::epoll_create1(EPOLL_CLOEXEC)};
  if (!epoll) return os_error("create epoll");
  Fd timer{::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK)};
  if (!timer) return os_error("create timerfd");
  Fd event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!event) return os_error("create eventfd");
  TRY(epoll_add(epoll, timer.get(), EPOLLIN, kTimerKey));
  TRY(epoll_add(epoll, event.get(), EPOLLIN, kMailboxKey));
  return std::unique_ptr<EpollLoop>(new EpollLoop(std::move(epoll), std::move(timer),
                                                  std::make_shared<Mailbox>(std::move(event))));
}

EpollLoop::EpollLoop(Fd epoll, Fd timer, std::shared_ptr<Mailbox> mailbox)
    : epoll_(std::move(epoll)), timer_(std::move(timer)), mailbox_(std::move(mailbox)) {}

EpollLoop::~EpollLoop() {
  mailbox_->close();
}

Result<void> EpollLoop::run() {
  stopped_ = false;
  while (!stopped_)
    TRY(turn());
  return {};
}

Result<void> EpollLoop::turn() {
  arm_timer();
  std::array<epoll_event, 64> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
  if (count < 0 && errno != EINTR) return os_error("epoll_wait");
  now_ = BootClock::now();
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.u64 == kTimerKey) {
      std::uint64_t expirations = 0;
      [[maybe_unused]] const ssize_t got = ::read(timer_.get(), &expirations, sizeof expirations);
      armed_for_ = kNever;
    } else if (event.data.u64 == kMailboxKey) {
      for (auto& work : mailbox_->take())
        work();
    } else if (const auto found = handlers_.find(event.data.u64); found != handlers_.end()) {
      const auto ready = found->second;  // a copy: the handler may drop its own watch
      ready(event.events);
    }
  }
  run_expired();
  return {};
}

void EpollLoop::arm_timer() {
  const TimePoint next = timers_.empty() ? kNever : timers_.begin()->first.first;
  if (next == armed_for_) return;
  itimerspec spec{};
  if (next != kNever) {
    spec.it_value = to_timespec(next);
    if (spec.it_value.tv_sec == 0 && spec.it_value.tv_nsec == 0) spec.it_value.tv_nsec = 1;
  }
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
  armed_for_ = next;
}

void EpollLoop::run_expired() {
  while (!timers_.empty() && timers_.begin()->first.first <= now_) {
    const auto expired = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    expired();
  }
}

Result<SubscriptionPtr> EpollLoop::watch_fd(int fd, std::uint32_t events,
                                            std::function<void(std::uint32_t)> ready) {
  const std::uint64_t key = next_key_++;
  TRY(epoll_add(epoll_, fd, events, key));
  handlers_.emplace(key, std::move(ready));
  return std::make_unique<FdWatch>(*this, fd, key);
}

SubscriptionPtr EpollLoop::at(TimePoint when, std::function<void()> expired) {
  const TimerKey key{when, next_key_++};
  timers_.emplace(key, std::move(expired));
  return std::make_unique<Timer>(*this, key);
}

std::shared_ptr<Poster> EpollLoop::poster() {
  return mailbox_;
}

Result<SubscriptionPtr> EpollLoop::on_signals(std::initializer_list<int> signals,
                                              std::function<void(int)> received) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : signals)
    ::sigaddset(&set, signal);
  if (const int code = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); code != 0) {
    return os_error("block signals", code);
  }
  Fd fd{::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)};
  if (!fd) return os_error("create signalfd");
  const int raw = fd.get();
  auto watch = TRY(watch_fd(raw, EPOLLIN, [raw, received = std::move(received)](std::uint32_t) {
    signalfd_siginfo info{};
    while (::read(raw, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      received(static_cast<int>(info.ssi_signo));
    }
  }));
  return std::make_unique<SignalWatch>(std::move(fd), std::move(watch));
}

}  // namespace flannel
