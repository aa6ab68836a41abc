// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/known_history.h"
#include "core/store_feed.h"

namespace flannel {

// A store that answers what the test says, and at once.
class ScriptedFeed final : public StoreFeed {
 public:
  Snapshot content;
  int lists = 0;
  std::vector<Revision> watches;  // from where each began
  bool is_away = false;
  bool repeats = true;  // its history

  std::string describe() const override { return "scripted"; }
  std::string config_key() const override { return "config"; }
  bool repeats_history() const override { return repeats; }
  void snapshot(Reply<Snapshot> reply) override {
    ++lists;
    if (is_away) return reply(fail(ErrorKind::unavailable, "away"));
    reply(content);
  }
  void remaining_lives(std::vector<Record>, Reply<RemainingLives>) override {}
  WatchHandle watch(Revision from, WatchListener listener) override {
    watches.push_back(from);
    listener_ = std::move(listener);
    return std::make_unique<Handle>(*this, ++number_);
  }

  bool is_watched() const { return listener_.has_value(); }
  void report(const std::vector<Change>& changes) {
    const auto on_changes = listener_->on_changes;
    on_changes(changes, changes.empty() ? 0 : revision_of(changes.back()));
  }
  void lose_position() {
    const auto on_position_lost = listener_->on_position_lost;
    on_position_lost();
  }
  void disconnect() {
    const auto on_disconnected = listener_->on_disconnected;
    on_disconnected({ErrorKind::unavailable, "broken"});
  }

 private:
  struct Handle final : Subscription {
    Handle(ScriptedFeed& of, std::uint64_t at) : feed(of), number(at) {}
    ~Handle() override {
      if (feed.number_ == number) feed.listener_.reset();
    }
    ScriptedFeed& feed;
    std::uint64_t number;
  };
  std::uint64_t number_ = 0;
  std::optional<WatchListener> listener_;
};

}  // namespace flannel
