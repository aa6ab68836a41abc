// SPDX-License-Identifier: Apache-2.0
// All paths of this host: when which one is probed, and to whom a packet that comes in belongs.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "probe/counters.h"
#include "probe/packet.h"
#include "probe/path.h"

namespace flannel {

// A limit on how often something happens.
class ProbeBudget {
 public:
  ProbeBudget(float a_second, float at_once) : rate_(a_second), most_(at_once), left_(at_once) {}

  void set_rate(float a_second) { rate_ = a_second; }
  bool take(TimePoint now);
  // When one is there again.
  TimePoint next(TimePoint now) const;

 private:
  void refill(TimePoint now);

  float rate_, most_, left_;
  TimePoint filled_{};
};

// Pure: gets time and nonces as arguments. A call costs work for the paths that it concerns.
class ProbePaths {
 public:
  // All paths together are probed so often, each within kRound, and none more often than kOften
  // while it is up.
  static constexpr int kEachSecond = 8;
  static constexpr std::chrono::seconds kRound{60};
  static constexpr std::chrono::seconds kOften{1};
  // Answers to requests, of one path and of all: at least so many, and with very many paths half
  // as many again as they ask for, each by a short probe a minute, and every two minutes by a long
  // and by an ordinary one.
  static constexpr int kAnswersOfPath = 20;
  static constexpr int kAnswers = 500;

  // What is to be sent. Overlay: an IP packet. Ordinary: the same, but the kernel is to make the
  // packet of its payload, as it does for any program. Underlay: an ICMP echo from this host
  // itself.
  struct Outgoing {
    enum class Kind { overlay, ordinary, underlay } kind = Kind::overlay;
    IpAddress to;
    std::vector<std::uint8_t> bytes;
  };
  // A packet and where it has come in.
  struct Arrival {
    ArrivedProbe probe;
    std::string_view device;
    std::optional<Mac> mac;  // of the sender on the link; nullopt: the device has none
  };
  struct Reaction {
    std::optional<Outgoing> send = {};
    std::optional<ProbePath::Answered> answered = {};
  };

  explicit ProbePaths(Nonces nonces) : nonces_(std::move(nonces)) {}

  // These are the paths from now on. The record of one that is as before stays.
  void set(std::vector<ProbeTarget> targets, TimePoint now);
  // This path is one from now on, in place of another to the same subnet.
  void put(ProbeTarget target, TimePoint now);
  // There is no path to the subnet from now on.
  void remove(const IpPrefix& subnet);

  // When tick() is to be called next; kNever: there are no paths.
  TimePoint wakeup(TimePoint now) const;
  std::vector<Outgoing> tick(TimePoint now);
  Reaction on_arrival(TimePoint now, const Arrival& arrival);
  void on_underlay(TimePoint now, const IpAddress& from, std::uint64_t nonce);

  // Sends a probe of these sizes to the path whose subnet begins with `base`. nullopt: no path.
  struct Asked {
    std::uint64_t nonce = 0;
    std::vector<Outgoing> send = {};
  };
  std::optional<Asked> ask(TimePoint now, const IpAddress& base, const ProbeSizes& sizes);

  // nullopt: no path.
  std::optional<PathView> view(TimePoint now, const IpPrefix& subnet) const;
  const ProbeTarget* find_target(const IpAddress& base) const;
  // True once after the state of a path, or what explains it, has changed.
  bool take_changed() { return std::exchange(changed_, false); }
  std::size_t size() const { return paths_.size(); }
  std::shared_ptr<const ProbeCounters> counters() const { return counters_; }

  // How many paths are in this state. It is that of the last event of a path, which may be a minute
  // old.
  std::size_t count(PathState state) const { return in_state_.at(index(state)).count; }
  // How many of these are worth a word: all in any state but `ok`, except peers that this host has
  // not waited for long enough.
  std::size_t troubled(PathState state) const { return in_state_.at(index(state)).troubled.size(); }
  // The peers of which no packet comes, or that get none from us, by at least one path.
  std::size_t silent_peers() const { return silent_peers_.size(); }
  // Visits troubled paths in the order of their subnets, until `visit` returns false.
  template <typename Visit>
  void each_troubled(TimePoint now, PathState state, const Visit& visit) const {
    for (const IpAddress& base : in_state_.at(index(state)).troubled) {
      const ProbePath& path = paths_.find(base)->second.path;
      if (!visit(path.target(), path.view(now))) return;
    }
  }

 private:
  struct Entry {
    ProbePath path;
    ProbeBudget answers{kAnswersOfPath, 2 * kAnswersOfPath};
    TimePoint queued = kNever;
    bool is_target = true;  // of the set() that is under way
    // What was reported last.
    PathState state = PathState::never_seen;
    bool is_silent = false;
    std::optional<bool> underlay = {};

    bool is_troubled() const {
      const bool may_wait = state == PathState::never_seen || state == PathState::unreachable;
      return may_wait ? is_silent : state != PathState::ok;
    }
    bool lacks_packets() const {
      return is_silent || state == PathState::one_way || state == PathState::unreachable;
    }
  };
  struct InState {
    std::size_t count = 0;
    absl::btree_set<IpAddress> troubled = {};  // the base addresses
  };
  using Paths = std::map<IpAddress, Entry>;  // by the base address of the peer's subnet

  Duration interval() const;
  void follow_size();
  Paths::iterator erase(Paths::iterator path);
  void queue(TimePoint now, Paths::value_type& path);
  void note(TimePoint now, Entry& entry);
  // Counts the path by what was reported of it last, or no longer.
  void count_in(const Entry& entry);
  void count_out(const Entry& entry);
  static std::size_t index(PathState state) { return static_cast<std::size_t>(state); }
  void append(TimePoint now, const ProbePath& path, const ProbePath::Probe& probe,
              std::vector<Outgoing>& all) const;
  Reaction on_message(TimePoint now, Entry& entry, const ArrivedProbe& probe,
                      const ProbeMessage& message);

  Nonces nonces_;
  Paths paths_;
  // The public IPs, each with the base addresses behind it.
  absl::btree_set<std::pair<IpAddress, IpAddress>> by_carrier_;
  absl::btree_set<std::pair<TimePoint, IpAddress>> queue_;
  std::array<InState, kPathStates.size()> in_state_;  // by the number of the state
  absl::btree_map<IpAddress, int> silent_peers_;      // with the number of such paths
  ProbeBudget probes_{kEachSecond, 30};
  ProbeBudget answers_{kAnswers, kAnswers};
  bool changed_ = false;
  std::shared_ptr<ProbeCounters> counters_ = std::make_shared<ProbeCounters>();
};

}  // namespace flannel
