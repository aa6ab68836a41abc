// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/registry.h"
#include "ctl/command.h"
#include "loop/epoll_loop.h"

namespace flannel {

// Makes blocking calls to the store: each call runs a loop until its answer has arrived. All calls
// share one deadline. Errors say what an operator can do about them.
class StoreSession {
 public:
  // Opens the store for reading. If an SQLite file does not exist the result is
  // ErrorKind::not_found, because a wrong path must not look like an empty network.
  static Result<StoreSession> open(const CtlOptions& options);
  // Opens the store for writing. An SQLite file is created if necessary.
  static Result<StoreSession> open_or_make(const CtlOptions& options);

  Result<Snapshot> snapshot();
  // Like Registry::remaining_lives().
  Result<RemainingLives> remaining_lives(std::vector<Record> records);
  // Like Registry::write_config().
  Result<Revision> write_config(std::string text, Revision seen);

  // Like Registry::remove_config() and list_networks().
  Result<void> remove_config(Revision seen);
  Result<NetworkList> networks();

  // Like Registry::create_if_absent() and replace_if_unchanged().
  Result<WriteResult> create(std::string key, std::string value, Ttl ttl);
  Result<WriteResult> replace(Record seen, std::string value, Ttl ttl);
  // Like Registry::release_if_unchanged().
  Result<void> release(Record seen);

  // Gives the calls from now on the whole time again, for work of many calls.
  void restart_deadline() { deadline_ = BootClock::now() + timeout_; }

  // Returns where the configuration is read, for messages.
  std::string config_place() const {
    return registry_->describe() + ", key " + registry_->config_key();
  }

 private:
  StoreSession(std::unique_ptr<EpollLoop> loop, std::unique_ptr<Registry> registry,
               const CtlOptions& options);

  template <typename T>
  Result<T> wait_for(const std::function<void(Reply<T>)>& call);

  std::unique_ptr<EpollLoop> loop_;
  std::unique_ptr<Registry> registry_;  // destroyed before the loop
  StoreKind kind_;
  std::chrono::milliseconds timeout_;
  TimePoint deadline_;
};

}  // namespace flannel
