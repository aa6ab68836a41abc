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

// Carries packets between the queues of one TUN device and the sockets of one UDP port. Each queue
// pair has two threads, of which the second one works only while the first cannot keep up; both
// sleep while no packets arrive. The kernel keeps a flow on one queue and a peer on one socket, so
// the order of packets within a flow is kept.
class PacketThreads {
 public:
  struct Options {
    // The CPUs to which the threads are bound, in turn: the two threads of the first queue pair,
    // then the two of the second, and so on. Empty: the scheduler decides.
    std::vector<int> cpus;
    // Called once, on a packet thread, when the device or a socket can no longer be used, for
    // example because the device was deleted. That queue pair then carries no more packets.
    std::function<void()> on_gone;
    // Where the threads count. Null: in counters that end with this object.
    std::shared_ptr<PacketCounters> counters = {};
  };

  PacketThreads(std::vector<QueuePair> queue_pairs, std::shared_ptr<const ForwardTable> table,
                Options options);
  ~PacketThreads();  // calls stop()
  PacketThreads(const PacketThreads&) = delete;
  PacketThreads& operator=(const PacketThreads&) = delete;

  // Starts the threads. After a failure no thread runs, and start() may be called again.
  Result<void> start();
  // Ends the threads. Packets that are queued in the device and the sockets stay there.
  void stop();

  // The threads use `table` from their next burst on. One thread at a time may call this.
  void publish(std::shared_ptr<const ForwardTable> table) { slot_.publish(std::move(table)); }

  // The counts of all threads since the counters were made. May be called on any thread.
  PacketCounts counts() const { return options_.counters->read(); }

 private:
  struct QueueWorker;  // the state that the two threads of a queue pair share

  void carry(QueueWorker& worker);
  static bool step(QueueWorker& worker, const ForwardTable& table, bool is_helped, TimePoint now);
  static bool poll_again(QueueWorker& worker, const ForwardTable& table, bool is_helped,
                         TimePoint now);
  static void call_helper(QueueWorker& worker);
  void help(QueueWorker& worker);
  Result<void> start_thread(std::size_t number, const char* name, std::function<void()> work);
  void report_gone();

  std::vector<QueuePair> queue_pairs_;
  TableSlot slot_;
  Options options_;
  std::vector<std::unique_ptr<QueueWorker>> workers_;  // one for each queue pair
  std::vector<std::thread> threads_;  // carrier and helper of each queue pair, in order
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> reported_gone_ = false;
};

}  // namespace flannel
