// SPDX-License-Identifier: Apache-2.0
// The threads of the udp backend's packet path.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "dataplane/counters.h"
#include "dataplane/forward_table.h"
#include "dataplane/ports.h"
#include "dataplane/table_slot.h"

namespace flannel {

// Carries packets between the queues of one TUN device and the sockets of one UDP port. Each lane
// has two threads, of which the second one works only while the first cannot keep up; they sleep
// while nothing comes. The host's kernel keeps a flow on one queue and a peer on one socket, so the
// order within a flow holds.
class UdpPath {
 public:
  struct Lane {
    std::unique_ptr<TunPort> tun;
    std::unique_ptr<UdpPort> udp;
    std::unique_ptr<LaneSleeper> sleeper;
  };
  struct Options {
    // CPUs that the threads are bound to, in turns: the two of the first lane, of the second ..
    // Empty: wherever the scheduler puts them.
    std::vector<int> cpus;
    // Called once, on a packet thread, when a device or socket has gone for good (somebody deleted
    // the device). The lane carries nothing from then on.
    std::function<void()> on_gone;
    // Where the threads count; null: in a meter of the path's own.
    std::shared_ptr<PathMeter> meter = {};
  };

  UdpPath(std::vector<Lane> lanes, std::shared_ptr<const ForwardTable> table, Options options);
  ~UdpPath();  // stops
  UdpPath(const UdpPath&) = delete;
  UdpPath& operator=(const UdpPath&) = delete;

  // After a failure no thread runs, and it can be called again.
  Result<void> start();
  // Ends the threads. What the device and the socket have queued stays there.
  void stop();

  // Holds from the next burst on. Any one thread.
  void publish(std::shared_ptr<const ForwardTable> table) { slot_.publish(std::move(table)); }

  // Of all threads since the meter was made. Any thread.
  PathCounters counters() const { return options_.meter->read(); }

 private:
  struct Traffic;  // what the two threads of a lane work on

  void carry(Traffic& traffic);
  static bool step(Traffic& traffic, const ForwardTable& table, bool is_helped, TimePoint now);
  static bool look_again(Traffic& traffic, const ForwardTable& table, bool is_helped,
                         TimePoint now);
  static void call_helper(Traffic& traffic);
  void help(Traffic& traffic);
  Result<void> start_thread(std::size_t number, const char* name, std::function<void()> work);
  void tell_gone();

  std::vector<Lane> lanes_;
  TableSlot slot_;
  Options options_;
  std::vector<std::unique_ptr<Traffic>> traffic_;  // of each lane
  std::vector<std::thread> threads_;  // carrier and helper of the first lane, of the second ..
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> told_gone_ = false;
};

}  // namespace flannel
