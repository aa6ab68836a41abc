// SPDX-License-Identifier: Apache-2.0
// The record of one path: what was asked, what was answered, and what follows from it.
//
//   never seen ── an answer ──▶ up ── kMisses in a row ──▶ down
//                               ▲                           │
//                               └── kHits answers in a row ─┘
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/clock.h"
#include "probe/checksum_check.h"
#include "probe/message.h"
#include "probe/mtu_search.h"
#include "probe/path_state.h"
#include "probe/target.h"

namespace flannel {

// Unguessable, and another one at each call.
using Nonces = std::function<std::uint64_t()>;

// Pure: gets time and nonces as arguments, and returns what is to be sent.
class ProbePath {
 public:
  static constexpr std::chrono::seconds kTimeout{1};
  // A long packet is waited for in vain as long as four round trips, but at least so long.
  static constexpr std::chrono::milliseconds kLeastTimeout{200};
  static constexpr std::chrono::milliseconds kRetry{300};
  static constexpr int kMisses = 4;  // one, and three retries
  static constexpr int kHits = 2;
  // A peer that is down is asked at least and at most so often.
  static constexpr std::chrono::seconds kLeastDown{2}, kMostDown{10};
  // A peer that has never answered may have only just been started.
  static constexpr std::chrono::seconds kSettle{10};
  // A request of the peer says for so long that its packets arrive.
  static constexpr std::chrono::seconds kHintLasts{15};
  // Our probes are lost for so long while those of the peer come in: one-way.
  static constexpr std::chrono::seconds kHinted{3};
  // A nonce of ours that comes back later than this proves nothing.
  static constexpr std::chrono::seconds kNonceLasts{150};

  enum class Purpose : std::uint8_t { watch, mtu, checksum, operator_ };
  // What is to be sent at once.
  struct Probe {
    std::uint64_t nonce = 0;
    Purpose purpose = Purpose::watch;
    ProbeSizes sizes = {};
    bool request = false;   // a message to our port
    bool echo = false;      // an ICMP echo request
    bool underlay = false;  // an ICMP echo request to the public IP

    // The kernel makes the packet, and leaves its checksum to a device.
    bool is_ordinary() const { return purpose == Purpose::checksum; }
  };
  // A probe that was answered.
  struct Answered {
    std::uint64_t nonce = 0;
    Purpose purpose = Purpose::watch;
    Duration rtt = {};  // 0: the kernel had answered before
    ProbeSizes arrived = {};
  };

  ProbePath(ProbeTarget target, TimePoint now);

  const ProbeTarget& target() const { return target_; }
  // When expire() or send() is to be called next.
  TimePoint wakeup() const;
  // Takes what was not answered in time as lost.
  void expire(TimePoint now);
  // Returns what is due. `interval`: between two probes of a path that is up.
  std::vector<Probe> send(TimePoint now, Duration interval, const Nonces& nonces);
  // Returns a probe of these sizes for an operator, which says nothing about the path.
  Probe ask(TimePoint now, const ProbeSizes& sizes, const Nonces& nonces);
  // The message for this probe.
  ProbeMessage request(TimePoint now, const Probe& probe) const;

  // What has come in from the right source. `size`: of its IP packet.
  std::optional<Answered> on_answer(TimePoint now, const ProbeMessage& answer, std::uint16_t size);
  std::optional<Answered> on_echo(TimePoint now, std::uint64_t nonce, std::uint16_t size);
  void on_underlay(TimePoint now, std::uint64_t nonce);
  // Returns the answer to a request of the peer.
  ProbeMessage on_request(TimePoint now, const ProbeMessage& request, std::uint16_t size,
                          const Nonces& nonces);

  PathView view(TimePoint now) const;

 private:
  struct Asked {
    std::uint64_t nonce = 0;
    TimePoint at{};
    Purpose purpose = Purpose::watch;
    bool is_answered = false;
    bool by_message = false;  // and not only by an echo
    bool is_over = false;     // its fate is taken into account
  };
  struct Given {
    std::uint64_t nonce = 0;
    TimePoint at{};
  };

  Duration timeout(const Asked& asked) const;
  bool is_up() const { return is_seen_ && !is_down_; }
  bool wants_echo() const { return !target_.answers || own_misses_ > 0; }
  // Only its flanneld answers an ordinary datagram.
  bool checks_checksums() const {
    return is_up() && misses_ == 0 && own_misses_ == 0 && target_.answers && target_.is_offloaded;
  }
  bool by_echo() const { return !target_.answers || own_misses_ >= kMisses; }
  Duration pause(Duration interval) const;
  Probe begin(TimePoint now, Purpose purpose, const ProbeSizes& sizes, const Nonces& nonces);
  std::optional<Answered> answered(TimePoint now, std::uint64_t nonce, bool by_message,
                                   const ProbeSizes& arrived);
  void close(TimePoint now, Asked& asked);
  void on_hit(TimePoint now, Duration rtt);
  void on_miss(const Asked& asked);
  void count(bool lost);
  void close_checksum(TimePoint now, Asked& asked, ProbeMessage::Checksum seen);
  bool is_answered_by_message(std::uint64_t nonce) const;
  void renew_mtu_search(TimePoint now);
  void note_hint(TimePoint now);
  void give(TimePoint now, std::uint64_t nonce);
  bool was_given(TimePoint now, std::uint64_t nonce) const;
  PathState state(TimePoint now) const;
  std::optional<bool> underlay_answers(TimePoint now) const;

  // A time that has not come yet.
  static constexpr TimePoint kNotYet = TimePoint::min();

  ProbeTarget target_;
  TimePoint since_;
  TimePoint due_;
  MtuSearch mtu_;
  ChecksumCheck checksum_;
  std::uint64_t twin_ = 0;  // the nonce of the probe that was sent with the last ordinary datagram
  std::vector<Asked> asked_;
  std::vector<Given> given_;  // the last ones that went to the peer
  std::uint64_t theirs_ = 0;  // the last nonce of the peer
  TimePoint theirs_at_{};

  bool mtu_by_echo_ = false;
  bool is_seen_ = false;
  bool is_down_ = false;
  int misses_ = 0;      // in a row
  int own_misses_ = 0;  // the same of its flanneld
  int hits_ = 0;
  TimePoint outage_{};         // when the first of these misses was sent
  std::uint32_t history_ = 0;  // a bit for each of the last probes: 1 if it was lost
  int counted_ = 0;
  std::optional<Duration> rtt_, least_rtt_;
  TimePoint last_heard_ = kNotYet, last_reached_ = kNotYet, last_hint_ = kNotYet;
  TimePoint hinted_since_{};

  std::vector<std::uint64_t> underlay_nonces_;
  int underlay_asked_ = 0;  // since the outage began
  TimePoint underlay_first_{};
  TimePoint underlay_heard_ = kNotYet;
};

}  // namespace flannel
