// SPDX-License-Identifier: Apache-2.0
#include "dataplane/udp_path.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include "base/clock.h"
#include "dataplane/rx_path.h"
#include "dataplane/thread_priority.h"
#include "dataplane/tx_path.h"

namespace flannel {
namespace {

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
    Lane& lane = lanes_[i];
    const auto out = start_worker<TxPath>(2 * i, "flannel-out", *lane.tun, *lane.udp);
    const auto in = start_worker<RxPath>(2 * i + 1, "flannel-in", *lane.udp, *lane.tun);
    if (!out || !in) {
      stop();
      return out ? in : out;
    }
  }
  return {};
}

template <typename Path, typename From, typename To>
Result<void> UdpPath::start_worker(std::size_t number, const char* name, From& from, To& to) {
  PathTallies& tallies = options_.meter->tallies(number);
  std::thread& thread = threads_[number];
  thread = std::thread(
      [this, &tallies, &from, &to] { run(std::make_unique<Path>(from, to, tallies), from); });
  ::pthread_setname_np(thread.native_handle(), fmt::format("{}/{}", name, number / 2).c_str());
  if (options_.cpus.empty()) return {};
  return bind_to_cpu(thread, options_.cpus[number % options_.cpus.size()]);
}

template <typename Path, typename Port>
void UdpPath::run(Path path, Port& port) {
  go_before_others();
  TableSlot::Reader table(slot_);
  while (!stopping_.load(std::memory_order_relaxed)) {
    // One look more than needed: under load something has come meanwhile, and a read that finds
    // nothing costs less than a sleep.
    if (path->step(table.get(), BootClock::now())) continue;
    if (port.wait() == Wake::gone) return tell_gone();
  }
  path->finish(table.get(), BootClock::now());
}

void UdpPath::tell_gone() {
  if (!told_gone_.exchange(true) && options_.on_gone) options_.on_gone();
}

void UdpPath::stop() {
  stopping_ = true;
  for (Lane& lane : lanes_) {
    lane.tun->wake();
    lane.udp->wake();
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace flannel
