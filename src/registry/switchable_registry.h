// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/life_token.h"
#include "core/registry.h"
#include "loop/loop_gate.h"

namespace flannel {

// A registry that forwards to a store which can be exchanged for another one. Loop thread only.
class SwitchableRegistry final : public Registry {
 public:
  // `loop` must outlive the registry.
  SwitchableRegistry(std::shared_ptr<Registry> store, Loop& loop);

  // Uses `next` from now on. Calls that are under way are answered with ErrorKind::unavailable,
  // since their outcome is not known, and running watches lose their position, both in a later
  // turn. The earlier store is released in a later turn as well, so this may be called by its
  // callbacks.
  void switch_to(std::shared_ptr<Registry> next);
  const std::shared_ptr<Registry>& current() const { return current_; }

  std::string describe() const override { return current_->describe(); }
  std::string config_key() const override { return current_->config_key(); }
  StoreFailures failures() const override { return current_->failures(); }
  bool repeats_history() const override { return current_->repeats_history(); }
  std::string history_name() const override { return current_->history_name(); }
  void expect_history(const std::string& name) override { current_->expect_history(name); }
  void use_expected_history() override { current_->use_expected_history(); }
  void snapshot(Reply<Snapshot> reply) override;
  void remaining_lives(std::vector<Record> records, Reply<RemainingLives> reply) override;
  WatchHandle watch(Revision from, WatchListener listener) override;
  void create_if_absent(std::string key, std::string value, Ttl ttl,
                        Reply<WriteResult> reply) override;
  void replace_if_unchanged(Record seen, std::string value, Ttl ttl,
                            Reply<WriteResult> reply) override;
  void renew_if_unchanged(Record seen, Ttl ttl, Reply<WriteResult> reply) override;
  void release_if_unchanged(Record seen, Reply<void> reply) override;
  void write_config(std::string text, Revision seen, Reply<Revision> reply) override;
  void remove_config(Revision seen, Reply<void> reply) override;
  void list_networks(Reply<NetworkList> reply) override;

 private:
  class Watch;

  // Returns a reply that runs at most once, and not after a switch.
  template <typename T>
  Reply<T> until_switch(Reply<T> reply);

  std::vector<std::shared_ptr<Registry>> earlier_;  // to be released in a later turn
  std::shared_ptr<Registry> current_;
  LoopGate gate_;
  std::uint64_t next_ = 0;
  std::map<std::uint64_t, std::function<void()>> calls_;  // under way; each fails its call
  std::map<std::uint64_t, Watch*> watches_;
  LifeToken life_;
};

}  // namespace flannel
