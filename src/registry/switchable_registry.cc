// SPDX-License-Identifier: Apache-2.0
#include "registry/switchable_registry.h"

#include <utility>

namespace flannel {

// Ends its registration when it is destroyed.
class SwitchableRegistry::Watch final : public Subscription {
 public:
  Watch(SwitchableRegistry& owner, Revision from, WatchListener listener)
      : owner_(owner),
        life_of_owner_(owner.life_.watch()),
        number_(owner.next_++),
        on_position_lost_(listener.on_position_lost),
        watch_(owner.current_->watch(from, std::move(listener))) {
    owner_.watches_.emplace(number_, this);
  }
  ~Watch() override {
    if (!life_of_owner_.ended()) owner_.watches_.erase(number_);
  }

  // The store is another one now.
  void lose_position(const LoopGate::Sender& sender) {
    watch_.reset();
    sender.post(life_.guard([this] {
      const auto on_position_lost = on_position_lost_;
      on_position_lost();  // may destroy this object
    }));
  }

 private:
  SwitchableRegistry& owner_;
  LifeToken::Watch life_of_owner_;
  std::uint64_t number_;
  std::function<void()> on_position_lost_;
  WatchHandle watch_;
  LifeToken life_;
};

SwitchableRegistry::SwitchableRegistry(std::shared_ptr<Registry> store, Loop& loop)
    : current_(std::move(store)), gate_(loop) {}

void SwitchableRegistry::switch_to(std::shared_ptr<Registry> next) {
  const LoopGate::Sender sender = gate_.sender();
  for (const auto& [number, watch] : watches_)
    watch->lose_position(sender);
  for (auto& [number, fail_call] : std::exchange(calls_, {}))
    sender.post(std::move(fail_call));
  earlier_.push_back(std::exchange(current_, std::move(next)));
  sender.post([this] { earlier_.clear(); });
}

template <typename T>
Reply<T> SwitchableRegistry::until_switch(Reply<T> reply) {
  const std::uint64_t number = next_++;
  const auto shared = std::make_shared<Reply<T>>(std::move(reply));
  calls_.emplace(number, [shared] {
    (*shared)(fail(ErrorKind::unavailable, "another store is used now, the outcome is not known"));
  });
  return life_.guard([this, number, shared](Result<T> result) {
    if (calls_.erase(number) != 0) (*shared)(std::move(result));
  });
}

void SwitchableRegistry::snapshot(Reply<Snapshot> reply) {
  current_->snapshot(until_switch(std::move(reply)));
}

void SwitchableRegistry::remaining_lives(std::vector<Record> records, Reply<RemainingLives> reply) {
  current_->remaining_lives(std::move(records), until_switch(std::move(reply)));
}

WatchHandle SwitchableRegistry::watch(Revision from, WatchListener listener) {
  return std::make_unique<Watch>(*this, from, std::move(listener));
}

void SwitchableRegistry::create_if_absent(std::string key, std::string value, Ttl ttl,
                                          Reply<WriteResult> reply) {
  current_->create_if_absent(std::move(key), std::move(value), ttl, until_switch(std::move(reply)));
}

void SwitchableRegistry::replace_if_unchanged(Record seen, std::string value, Ttl ttl,
                                              Reply<WriteResult> reply) {
  current_->replace_if_unchanged(std::move(seen), std::move(value), ttl,
                                 until_switch(std::move(reply)));
}

void SwitchableRegistry::renew_if_unchanged(Record seen, Ttl ttl, Reply<WriteResult> reply) {
  current_->renew_if_unchanged(std::move(seen), ttl, until_switch(std::move(reply)));
}

void SwitchableRegistry::release_if_unchanged(Record seen, Reply<void> reply) {
  current_->release_if_unchanged(std::move(seen), until_switch(std::move(reply)));
}

void SwitchableRegistry::write_config(std::string text, Revision seen, Reply<Revision> reply) {
  current_->write_config(std::move(text), seen, until_switch(std::move(reply)));
}

void SwitchableRegistry::remove_config(Revision seen, Reply<void> reply) {
  current_->remove_config(seen, until_switch(std::move(reply)));
}

void SwitchableRegistry::list_networks(Reply<NetworkList> reply) {
  current_->list_networks(until_switch(std::move(reply)));
}

}  // namespace flannel
