// SPDX-License-Identifier: Apache-2.0
#include "dataplane/packet_threads.h"

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

// How long the carrier is awake before it calls the helper. This is longer than a burst, but
// shorter than it takes to fill the queue of the device (500 packets) or the socket buffer (4 MB)
// on a fast network.
constexpr Duration kAlone = std::chrono::milliseconds(1);

// A thread that has slept kManySleeps times in a short time yields and polls again up to kPolls
// times before it sleeps. Mostly there are packets by then, and this costs less than sleeping and
// waking.
constexpr int kManySleeps = 4;  // since at least a millisecond
constexpr int kPolls = 2;

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

// The carrier carries packets both ways as long as it can keep up, since packets that come in are
// often answered at once, and one running thread costs less than two that wake each other. If the
// carrier does not get to sleep, the helper carries outgoing packets until none wait.
struct PacketThreads::QueueWorker {
  QueueWorker(QueuePair& queue_pair, PacketTallies& out, PacketTallies& in)
      : waiter(*queue_pair.waiter),
        rx(*queue_pair.udp, *queue_pair.tun, in),
        tx(*queue_pair.tun, *queue_pair.udp, out) {}

  QueueWaiter& waiter;
  RxPath rx;                            // used by the carrier
  TxPath tx;                            // used by the carrier, or by the helper while is_helped
  std::atomic<bool> is_helped = false;  // set by the carrier, cleared by the helper
  std::counting_semaphore<2> call{0};   // wakes the helper: once for help and once to end
};

PacketThreads::PacketThreads(std::vector<QueuePair> queue_pairs,
                             std::shared_ptr<const ForwardTable> table, Options options)
    : queue_pairs_(std::move(queue_pairs)), slot_(std::move(table)), options_(std::move(options)) {
  if (!options_.counters) options_.counters = std::make_shared<PacketCounters>();
  threads_.resize(2 * queue_pairs_.size());
}

PacketThreads::~PacketThreads() {
  stop();
}

Result<void> PacketThreads::start() {
  stopping_ = false;
  for (std::size_t i = 0; i < queue_pairs_.size(); ++i) {
    PacketCounters& counters = *options_.counters;
    QueueWorker& worker = *workers_.emplace_back(std::make_unique<QueueWorker>(
        queue_pairs_[i], counters.tallies(2 * i), counters.tallies(2 * i + 1)));
    const auto first = start_thread(2 * i, "flannel-both", [this, &worker] { carry(worker); });
    const auto second = start_thread(2 * i + 1, "flannel-help", [this, &worker] { help(worker); });
    if (!first || !second) {
      stop();
      return first ? second : first;
    }
  }
  return {};
}

Result<void> PacketThreads::start_thread(std::size_t number, const char* name,
                                         std::function<void()> work) {
  std::thread& thread = threads_[number];
  try {
    thread = std::thread(std::move(work));
  } catch (
      const std::system_error& error) {  // the limit on threads is reached, or memory is exhausted
    return os_error("start a packet thread", error.code().value());
  }
  ::pthread_setname_np(thread.native_handle(), fmt::format("{}/{}", name, number / 2).c_str());
  if (options_.cpus.empty()) return {};
  return bind_to_cpu(thread, options_.cpus[number % options_.cpus.size()]);
}

void PacketThreads::carry(QueueWorker& worker) {
  go_before_others();
  TableSlot::Reader table(slot_);
  bool was_helped = false;
  TimePoint alone_since = BootClock::now();  // the carrier has been awake without a helper
  SleepRate sleeps;
  while (!stopping_.load(std::memory_order_relaxed)) {
    const TimePoint now = BootClock::now();
    const bool is_helped = worker.is_helped.load(std::memory_order_acquire);
    if (was_helped && !is_helped) alone_since = now;
    was_helped = is_helped;
    // Polls once more than necessary: under load packets have arrived meanwhile, and a read without
    // result costs less than a sleep.
    if (step(worker, table.get(), is_helped, now)) {
      if (!is_helped && now - alone_since > kAlone) call_helper(worker);
      continue;
    }
    if (sleeps.is_high(now) && poll_again(worker, table.get(), is_helped, now)) continue;
    sleeps.count();
    if (worker.waiter.wait(!is_helped) == Wake::gone) return report_gone();
    alone_since = BootClock::now();
  }
}

// False: nothing waited.
bool PacketThreads::step(QueueWorker& worker, const ForwardTable& table, bool is_helped,
                         TimePoint now) {
  const bool has_received = worker.rx.step(table, now);
  return (!is_helped && worker.tx.step(table, now)) || has_received;
}

bool PacketThreads::poll_again(QueueWorker& worker, const ForwardTable& table, bool is_helped,
                               TimePoint now) {
  for (int n = 0; n < kPolls; ++n) {
    ::sched_yield();
    if (step(worker, table, is_helped, now)) return true;
  }
  return false;
}

void PacketThreads::call_helper(QueueWorker& worker) {
  worker.is_helped.store(true, std::memory_order_release);
  worker.call.release();
}

void PacketThreads::help(QueueWorker& worker) {
  go_before_others();
  for (;;) {
    worker.call.acquire();
    TableSlot::Reader table(slot_);  // made here, since the thread may have slept for days
    do {
      if (stopping_.load(std::memory_order_relaxed)) return;
    } while (worker.tx.step(table.get(), BootClock::now()));
    worker.is_helped.store(false, std::memory_order_release);
    worker.waiter.wake();  // the carrier may sleep without waiting for the device
  }
}

void PacketThreads::report_gone() {
  if (!reported_gone_.exchange(true) && options_.on_gone) options_.on_gone();
}

void PacketThreads::stop() {
  stopping_ = true;
  for (const auto& worker : workers_) {
    worker->waiter.wake();
    worker->call.release();
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  TableSlot::Reader table(slot_);
  for (const auto& worker : workers_)
    worker->tx.finish(table.get(), BootClock::now());
  workers_.clear();
}

}  // namespace flannel
