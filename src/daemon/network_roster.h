// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/problem.h"
#include "core/registry.h"
#include "loop/loop.h"
#include "loop/timer.h"

namespace flannel {

// The names of the networks of a store, for a daemon with --networks=*: lists them again and again,
// since only few stores can report changes below a prefix. A failure changes nothing, and a name
// counts as gone once two lists in a row lack it. Loop thread only.
class NetworkRoster {
 public:
  // The pause after a list. Half as much again may be added at random, so that hosts do not list at
  // the same time.
  static constexpr std::chrono::seconds kPause{10};
  // A list has all keys below the prefix. One that took long is repeated after so many times as
  // long, so that large clusters spend little on it.
  static constexpr int kRestAfterList = 100;
  static constexpr std::chrono::minutes kLongestPause{5};
  // The others are counted.
  static constexpr std::size_t kMostUnusable = 10;

  struct Parts {
    Loop& loop;       // both must outlive the roster
    Registry& store;  // whose prefix is that of all networks
    Random random;
    std::function<void()> on_list;     // names() and is_gone() may answer differently
    std::function<void()> on_state;    // problems() may answer differently
    std::set<std::string> known = {};  // the names that this host knows from before
  };

  explicit NetworkRoster(Parts parts) : parts_(std::move(parts)), names_(parts_.known) {}

  // Lists now, and from then on again and again.
  void list();
  // True if there has been a list.
  bool has_listed() const { return listed_; }
  // The names in the last list; before the first, those of Parts::known.
  const std::set<std::string>& names() const { return names_; }
  // True if the last two lists lack this name, which was known before them.
  bool is_gone(const std::string& name) const;
  // What is wrong with the lists, and names that no network can have.
  std::vector<Problem> problems() const;

 private:
  void on_list(Result<NetworkList> list, TimePoint sent);

  Parts parts_;
  std::set<std::string> names_, before_;  // names(), and what they were before the last list
  std::vector<std::string> unusable_;
  bool listed_ = false;
  std::string failure_;     // the last attempt failed so; empty: it did not
  std::uint64_t turn_ = 0;  // the last attempt; answers to earlier ones are ignored
  Backoff backoff_{std::chrono::seconds(1), std::chrono::seconds(30)};
  Timer due_{parts_.loop, [this] { list(); }};
};

}  // namespace flannel
