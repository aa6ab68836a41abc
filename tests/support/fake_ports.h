// SPDX-License-Identifier: Apache-2.0
// Fakes of the two ends of the packet path, which keep packets in memory. Thread-safe.
#pragma once

#include <algorithm>
#include <cassert>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "dataplane/ports.h"

namespace flannel {

// Wakes the thread that waits for the ports of one queue pair.
class FakeSleep {
 public:
  Wake wait(bool tun_too, const std::function<bool()>& waiting) {
    std::unique_lock lock(mutex_);
    is_asleep_on_both_ = tun_too;
    changed_.notify_all();
    changed_.wait(lock, [&] { return asked_ || gone_ || waiting(); });
    is_asleep_on_both_ = false;
    if (gone_) return Wake::gone;
    return std::exchange(asked_, false) ? Wake::asked : Wake::ready;
  }
  void wake() { set(asked_); }
  void wait_until_asleep_on_both() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return is_asleep_on_both_; });
  }
  void vanish() { set(gone_); }
  // Packets have arrived, so the result of waiting() may have changed.
  void arrive() {
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
  }

 private:
  void set(bool& what) {
    const std::lock_guard lock(mutex_);
    what = true;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool asked_ = false;
  bool gone_ = false;
  bool is_asleep_on_both_ = false;
};

class FakeTun final : public TunPort {
 public:
  using Bytes = std::vector<std::uint8_t>;
  struct Frame {
    Bytes bytes;
    Offload offload;
  };

  // ---- for the test ----
  void host_sends(Bytes bytes, Offload offload = {}) {
    {
      const std::lock_guard lock(mutex_);
      to_read_.push_back({std::move(bytes), offload});
    }
    if (sleep) sleep->arrive();
  }
  bool has_something() {
    const std::lock_guard lock(mutex_);
    return !to_read_.empty();
  }
  std::shared_ptr<FakeSleep> sleep = {};
  std::vector<Frame> take_written() {
    const std::lock_guard lock(mutex_);
    return std::exchange(written_, {});
  }
  bool takes_tcp = true;
  bool takes_udp = true;
  TunWrite super_result = TunWrite::done;  // of writes of super-packets
  TunWrite plain_result = TunWrite::done;
  int super_writes = 0;  // tried

  // Returns the threads that have read packets.
  std::set<std::thread::id> readers() {
    const std::lock_guard lock(mutex_);
    return readers_;
  }

  // Returns how often each thread has tried to read.
  std::map<std::thread::id, unsigned> polls() {
    const std::lock_guard lock(mutex_);
    return polls_;
  }

  std::optional<Packet> read(ByteSpan into) override {
    const std::lock_guard lock(mutex_);
    ++polls_[std::this_thread::get_id()];
    if (to_read_.empty()) return std::nullopt;
    const Frame frame = std::move(to_read_.front());
    to_read_.pop_front();
    readers_.insert(std::this_thread::get_id());
    std::ranges::copy(frame.bytes, into.begin());
    return Packet{frame.bytes.size(), frame.offload};
  }
  TunWrite write(const Offload& offload, std::span<const ByteView> parts) override {
    const std::lock_guard lock(mutex_);
    const bool is_super = offload.cut != Offload::Cut::none;
    if (is_super) ++super_writes;
    const TunWrite result = is_super ? super_result : plain_result;
    if (result != TunWrite::done) return result;
    Frame frame{{}, offload};
    for (const ByteView part : parts) {
      frame.bytes.insert(frame.bytes.end(), part.begin(), part.end());
    }
    written_.push_back(std::move(frame));
    return result;
  }
  bool takes(Offload::Cut cut) const override {
    return cut == Offload::Cut::tcp ? takes_tcp : takes_udp;
  }

 private:
  std::mutex mutex_;
  std::deque<Frame> to_read_;
  std::set<std::thread::id> readers_;
  std::map<std::thread::id, unsigned> polls_;
  std::vector<Frame> written_;
};

class FakeUdp final : public UdpPort {
 public:
  using Bytes = std::vector<std::uint8_t>;
  struct Datagram {
    IpEndpoint to;
    Bytes bytes;
    bool operator==(const Datagram&) const = default;
  };
  struct Arrival {
    IpAddress from;
    Bytes bytes;
    std::size_t segment_size = 0;
  };

  void arrives(IpAddress from, Bytes bytes, std::size_t segment_size) {
    {
      const std::lock_guard lock(mutex_);
      arriving_.push_back({from, std::move(bytes), segment_size});
    }
    if (sleep) sleep->arrive();
  }
  bool has_something() {
    const std::lock_guard lock(mutex_);
    return !arriving_.empty();
  }
  std::shared_ptr<FakeSleep> sleep = {};
  void arrives(IpAddress from, const Bytes& datagram) { arrives(from, datagram, datagram.size()); }
  std::vector<Datagram> take_sent() {
    const std::lock_guard lock(mutex_);
    return std::exchange(sent_, {});
  }
  Sent run_result = Sent::done;     // of send() with more than one datagram
  Sent single_result = Sent::done;  // of everything else
  int sends = 0;                    // calls of send()
  int sends_each = 0;               // calls of send_each()

  std::span<const Run> receive() override {
    const std::lock_guard lock(mutex_);
    received_ = std::exchange(arriving_, {});
    runs_.clear();
    for (Arrival& one : received_)
      runs_.push_back({one.from, one.bytes, one.segment_size});
    return runs_;
  }
  Sent send(const IpEndpoint& to, ByteView bytes, std::size_t segment_size) override {
    const std::lock_guard lock(mutex_);
    assert(bytes.size() <= kMaxUdpPayload);
    assert(bytes.size() <= segment_size * kMaxSegmentsPerSend);
    ++sends;
    const Sent result = bytes.size() > segment_size ? run_result : single_result;
    if (result == Sent::done) keep(to, bytes, segment_size);
    return result;
  }
  Sent send_each(const IpEndpoint& to, ByteView bytes, std::size_t segment_size,
                 std::size_t& lost) override {
    const std::lock_guard lock(mutex_);
    ++sends_each;
    lost = 0;
    if (single_result == Sent::done) {
      keep(to, bytes, segment_size);
    } else {
      lost = (bytes.size() + segment_size - 1) / segment_size;
    }
    return single_result;
  }

 private:
  void keep(const IpEndpoint& to, ByteView bytes, std::size_t segment_size) {
    for (ByteView rest = bytes; !rest.empty();) {
      const ByteView one = rest.first(std::min(rest.size(), segment_size));
      sent_.push_back({to, {one.begin(), one.end()}});
      rest = rest.subspan(one.size());
    }
  }

  std::mutex mutex_;
  std::vector<Arrival> arriving_;
  std::vector<Arrival> received_;
  std::vector<Run> runs_;
  std::vector<Datagram> sent_;
};

// The waiter of a FakeTun and a FakeUdp that share `sleep`. All must outlive it.
class FakeQueueWaiter final : public QueueWaiter {
 public:
  FakeQueueWaiter(FakeTun& tun, FakeUdp& udp, std::shared_ptr<FakeSleep> sleep)
      : tun_(tun), udp_(udp), sleep_(std::move(sleep)) {}

  Wake wait(bool tun_too) override {
    return sleep_->wait(tun_too,
                        [&] { return udp_.has_something() || (tun_too && tun_.has_something()); });
  }
  void wake() override { sleep_->wake(); }

 private:
  FakeTun& tun_;
  FakeUdp& udp_;
  std::shared_ptr<FakeSleep> sleep_;
};

}  // namespace flannel
