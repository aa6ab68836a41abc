// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/registry.h"
#include "ctl/command.h"
#include "loop/epoll_loop.h"

namespace flannel {

// The store for a program that asks a question and waits: runs a loop of its own until the answer
// is there. One deadline for everything that is asked. Errors say what an operator can do about
// them.
class StoreSession {
 public:
  // To look at what is there: a SQLite file that does not exist is ErrorKind::not_found, since a
  // wrong path must not look like an empty network.
  static Result<StoreSession> open(const CtlOptions& options);
  // To write: the file is made if need be.
  static Result<StoreSession> open_or_make(const CtlOptions& options);

  Result<Snapshot> snapshot();
  // As Registry::write_config().
  Result<Revision> write_config(std::string text, Revision seen);

  // As Registry::create_if_absent() and replace_if_unchanged().
  Result<Held> create(std::string key, std::string value, Ttl ttl);
  Result<Held> replace(Record seen, std::string value, Ttl ttl);

  // Where the configuration is looked for.
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
