// SPDX-License-Identifier: Apache-2.0
#include "daemon/store_follower.h"

#include <utility>

#include "base/log.h"

namespace flannel {

StoreFollower::StoreFollower(Registry& registry, Loop& loop, Random random, Listener listener)
    : registry_(registry),
      loop_(loop),
      random_(std::move(random)),
      listener_(std::move(listener)) {}

void StoreFollower::start() {
  list();
}

void StoreFollower::list_again() {
  // Not at once: the caller may be the listener of the watch that this ends.
  retry_ = loop_.at(loop_.now(), [this] { list(); });
}

void StoreFollower::list() {
  retry_.reset();
  watch_.reset();
  registry_.snapshot([this](Result<Snapshot> snapshot) { listed(std::move(snapshot)); });
}

void StoreFollower::listed(Result<Snapshot> snapshot) {
  if (!snapshot) {
    disconnected(snapshot.error());
    return;
  }
  ++counters_.snapshots;
  backoff_.reset();
  if (!connected_) {
    connected_ = true;
    const bool was_away = !std::exchange(last_error_, {}).empty();
    log::info(was_away ? "store is back" : "connected to the store",
              {{"store", registry_.describe()}, {"leases", snapshot->records.size()}});
    listener_.on_connection();
  }
  watch(snapshot->revision);
  listener_.on_snapshot(*snapshot);
}

void StoreFollower::watch(Revision from) {
  WatchListener listener;
  listener.on_changes = [this](const std::vector<Change>& changes, Revision) {
    listener_.on_changes(changes);
  };
  listener.on_position_lost = [this] {
    ++counters_.positions_lost;
    log::info("the store's history before now is gone, listing again",
              {{"store", registry_.describe()}});
    list_again();
  };
  listener.on_disconnected = [this](const Error& error) { disconnected(error); };
  watch_ = registry_.watch(from, std::move(listener));
}

void StoreFollower::disconnected(const Error& error) {
  ++counters_.failures;
  const bool news = connected_ || last_error_ != error.text;
  if (connected_ || last_error_.empty()) {
    log::warning("store away, trying again; the data plane goes on",
                 {{"store", registry_.describe()}, {"why", error.text}});
  }
  connected_ = false;
  last_error_ = error.text;
  retry_ = loop_.at(loop_.now() + backoff_.next(random_), [this] { list(); });
  if (news) listener_.on_connection();
}

}  // namespace flannel
