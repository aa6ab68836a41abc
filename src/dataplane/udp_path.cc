// SPDX-License-Identifier: Apache-2.0
#include "dataplane/udp_path.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include <semaphore>
#include <system_error>

#include "base/clock.h"
#include "dataplane/rx_path.h"
#include "dataplane/thread_priority.h"
#include "dataplane/tx_path.h"

namespace flannel {
namespace {

// How long the carrier is awake before it calls the helper: more than a burst takes, and less than
// the queue of the device (500 packets) and the socket's buffer (4 MB) hold on a fast network.
constexpr Duration kAlone = std::chrono::milliseconds(1);

// Where a thread would sleep so often, it lets others go first and looks again, so many times: that
// mostly finds something, and costs less than to sleep and be woken up.
constexpr int kManySleeps = 4;  // since at least a millisecond
constexpr int kLooks = 2;

class SleepRate {
 public:
  void count() { ++sleeps_; }
  bool is_high(TimePoint now) {
    if (now - since_ > std::chrono::milliseconds(1)) {
      is_high_ = sleeps_ >= kManySleeps;
      sleeps_ = 0;
      since_ = now;
    }
    return is_high_;
  }

 private:
  TimePoint since_{};
  int sleeps_ = 0;
  bool is_high_ = false;
};

Result<void> bind_to_cpu(std::thread& thread, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (cpu < 0 || cpu >= CPU_SETSIZE) {
    return fail(ErrorKind::invalid, fmt::format("no CPU has the number {}", cpu));
  }
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  const int code = ::pthread_setaffinity_np(thread.native_handle(), sizeof set, &set);
  if (code != 0) return os_error(fmt::format("bind a packet thread to CPU {}", cpu), code);
  return {};
}

}  // namespace

// The carrier carries both ways, as long as it can keep up: what comes in often has its answer at
// once, and one thread that is awake costs less than two that wake each other up. When it does not
// get to sleep, the helper takes what goes out, until nothing waits there.
struct UdpPath::Traffic {
  Traffic(Lane& lane, PathTallies& out, PathTallies& in)
      : sleeper(*lane.sleeper), rx(*lane.udp, *lane.tun, in), tx(*lane.tun, *lane.udp, out) {}

  LaneSleeper& sleeper;
  RxPath rx;                            // the carrier's
  TxPath tx;                            // the carrier's, or the helper's while is_helped
  std::atomic<bool> is_helped = false;  // the carrier sets it, the helper takes it back
  std::counting_semaphore<2> call{0};   // the helper: once for help and once to end
};

UdpPath::UdpPath(std::vector<Lane> lanes, std::shared_ptr<const ForwardTable> table,
                 Options options)
    : lanes_(std::move(lanes)), slot_(std::move(table)), options_(std::move(options)) {
  if (!options_.meter) options_.meter = std::make_shared<PathMeter>();
  threads_.resize(2 * lanes_.size());
}

UdpPath::~UdpPath() {
  stop();
}

Result<void> UdpPath::start() {
  stopping_ = false;
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    PathMeter& meter = *options_.meter;
    Traffic& traffic = *traffic_.emplace_back(
        std::make_unique<Traffic>(lanes_[i], meter.tallies(2 * i), meter.tallies(2 * i + 1)));
    const auto first = start_thread(2 * i, "flannel-both", [this, &traffic] { carry(traffic); });
    const auto second =
        start_thread(2 * i + 1, "flannel-help", [this, &traffic] { help(traffic); });
    if (!first || !second) {
      stop();
      return first ? second : first;
    }
  }
  return {};
}

Result<void> UdpPath::start_thread(std::size_t number, const char* name,
                                   std::function<void()> work) {
  std::thread& thread = threads_[number];
  try {
    thread = std::thread(std::move(work));
  } catch (const std::system_error& error) {  // as many as we may have, or no memory
    return os_error("start a packet thread", error.code().value());
  }
  ::pthread_setname_np(thread.native_handle(), fmt::format("{}/{}", name, number / 2).c_str());
  if (options_.cpus.empty()) return {};
  return bind_to_cpu(thread, options_.cpus[number % options_.cpus.size()]);
}

void UdpPath::carry(Traffic& traffic) {
  go_before_others();
  TableSlot::Reader table(slot_);
  bool was_helped = false;
  TimePoint alone_since = BootClock::now();  // and awake
  SleepRate sleeps;
  while (!stopping_.load(std::memory_order_relaxed)) {
    const TimePoint now = BootClock::now();
    const bool is_helped = traffic.is_helped.load(std::memory_order_acquire);
    if (was_helped && !is_helped) alone_since = now;
    was_helped = is_helped;
    // One look more than needed: under load something has come meanwhile, and a read that finds
    // nothing costs less than a sleep.
    if (step(traffic, table.get(), is_helped, now)) {
      if (!is_helped && now - alone_since > kAlone) call_helper(traffic);
      continue;
    }
    if (sleeps.is_high(now) && look_again(traffic, table.get(), is_helped, now)) continue;
    sleeps.count();
    if (traffic.sleeper.wait(!is_helped) == Wake::gone) return tell_gone();
    alone_since = BootClock::now();
  }
}

// False: nothing waited.
bool UdpPath::step(Traffic& traffic, const ForwardTable& table, bool is_helped, TimePoint now) {
  const bool has_received = traffic.rx.step(table, now);
  return (!is_helped && traffic.tx.step(table, now)) || has_received;
}

bool UdpPath::look_again(Traffic& traffic, const ForwardTable& table, bool is_helped,
                         TimePoint now) {
  for (int n = 0; n < kLooks; ++n) {
    ::sched_yield();
    if (step(traffic, table, is_helped, now)) return true;
  }
  return false;
}

void UdpPath::call_helper(Traffic& traffic) {
  traffic.is_helped.store(true, std::memory_order_release);
  traffic.call.release();
}

void UdpPath::help(Traffic& traffic) {
  go_before_others();
  for (;;) {
    traffic.call.acquire();
    TableSlot::Reader table(slot_);  // it may have slept for days
    do {
      if (stopping_.load(std::memory_order_relaxed)) return;
    } while (traffic.tx.step(table.get(), BootClock::now()));
    traffic.is_helped.store(false, std::memory_order_release);
    traffic.sleeper.wake();  // which may sleep without an eye on the device
  }
}

void UdpPath::tell_gone() {
  if (!told_gone_.exchange(true) && options_.on_gone) options_.on_gone();
}

void UdpPath::stop() {
  stopping_ = true;
  for (const auto& traffic : traffic_) {
    traffic->sleeper.wake();
    traffic->call.release();
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  TableSlot::Reader table(slot_);
  for (const auto& traffic : traffic_)
    traffic->tx.finish(table.get(), BootClock::now());
  traffic_.clear();
}

}  // namespace flannel
