// SPDX-License-Identifier: Apache-2.0
#include "dataplane/send_batcher.h"

#include <algorithm>
#include <cassert>

namespace flannel {
namespace {

// The path MTU may grow again, and an attempt costs one failing call.
constexpr Duration kRefusalLasts = std::chrono::seconds(5);

Drop drop_of(Sent why) {
  switch (why) {
    case Sent::no_buffer:
      return Drop::out_no_buffer;
    case Sent::denied:
      return Drop::out_denied;
    case Sent::unreachable:
      return Drop::out_unreachable;
    default:
      return Drop::out_failed;
  }
}

}  // namespace

SendBatcher::SendBatcher(UdpPort& udp, PacketTallies& tallies) : udp_(udp), tallies_(tallies) {}

bool SendBatcher::Batch::takes(std::size_t length) const {
  return count > 0 && !closed && length <= segment && count < kMaxSegmentsPerSend &&
         used + length <= kMaxUdpPayload;
}

ByteSpan SendBatcher::append(const IpEndpoint& to, std::size_t length, TimePoint now) {
  assert(length > 0 && length <= kMaxUdpPayload);
  Batch& batch = batch_for(to, now);
  if (!batch.takes(length)) {
    send(batch, now);
    batch.to = to;
    batch.segment = length;
  }
  batch.closed = length < batch.segment;
  const ByteSpan place{batch.bytes.get() + batch.used, length};
  batch.used += length;
  ++batch.count;
  return place;
}

SendBatcher::Batch& SendBatcher::batch_for(const IpEndpoint& to, TimePoint now) {
  if (batches_[last_].count > 0 && batches_[last_].to == to) return batches_[last_];
  std::size_t free = batches_.size();
  for (std::size_t i = 0; i < batches_.size(); ++i) {
    if (batches_[i].count == 0) {
      free = std::min(free, i);
    } else if (batches_[i].to == to) {
      last_ = i;
      return batches_[i];
    }
  }
  if (free == batches_.size()) {
    free = victim_;
    victim_ = (victim_ + 1) % batches_.size();
    send(batches_[free], now);
  }
  last_ = free;
  if (!batches_[free].bytes) {
    batches_[free].bytes = std::make_unique_for_overwrite<std::uint8_t[]>(kMaxUdpPayload);
  }
  return batches_[free];
}

void SendBatcher::flush(TimePoint now) {
  for (Batch& batch : batches_)
    send(batch, now);
}

void SendBatcher::send(Batch& batch, TimePoint now) {
  if (batch.count == 0) return;
  const bool is_run = batch.count > 1;
  tallies_.out_packets.add(batch.count);
  tallies_.out_bytes.add(batch.used);
  if (is_run && is_refused(batch.to, now)) {
    send_each(batch);
  } else {
    tallies_.out_sends.add();
    const Sent sent = udp_.send(batch.to, {batch.bytes.get(), batch.used}, batch.segment);
    if (sent == Sent::cannot_cut && is_run) {
      refusals_.push_back({batch.to, now + kRefusalLasts});
      send_each(batch);
    } else if (sent != Sent::done) {
      count_lost(sent, batch.count);
    }
  }
  batch.used = 0;
  batch.count = 0;
}

void SendBatcher::send_each(const Batch& batch) {
  tallies_.out_uncut.add();
  tallies_.out_sends.add();
  std::size_t lost = 0;
  const Sent sent = udp_.send_each(batch.to, {batch.bytes.get(), batch.used}, batch.segment, lost);
  if (lost > 0) count_lost(sent, lost);
}

void SendBatcher::count_lost(Sent why, std::size_t datagrams) {
  tallies_[drop_of(why)].add(datagrams);
}

bool SendBatcher::is_refused(const IpEndpoint& to, TimePoint now) {
  if (refusals_.empty()) return false;
  std::erase_if(refusals_, [&](const Refusal& refusal) { return refusal.until <= now; });
  return std::ranges::any_of(refusals_, [&](const Refusal& refusal) { return refusal.to == to; });
}

}  // namespace flannel
